#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/command_line.h"
#include "cli/flow_model.h"
#include "cli/pictures.h"
#include "cli/progress.h"
#include "cli/start_images.h"
#include "core/require.h"
#include "core/torch.h"
#include "fisher/sample_moments.h"
#include "io/atomic_file.h"
#include "io/image_grid.h"
#include "io/safetensors.h"

namespace halcyon {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kMostShown = 16;
constexpr double kPixelsPerUnit = 127.5;

struct EncodeCommand {
  CommonOptions common;
  FlowOptions flow;
  std::string input;
  std::string out = "encoded";
  int64_t limit = 0;
  int64_t batch = 64;
  MachineOptions machine;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    CommonOptions::fields(self.common, field);
    FlowOptions::fields(self.flow, field);
    field(self.input, "input", "picture, folder of pictures or data set to encode");
    field(self.out, "out", "folder for latents.safetensors, reconstruction.png and encode.json");
    field(self.limit, "limit", "encode the first so many images; 0: all");
    field(self.batch, "batch", "images encoded at once, > 0; they share their steps");
  }
  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("run", self.machine);
  }
};

struct Encoded {
  torch::Tensor codes, reconstructions;
  int64_t most_evaluations = 0;  ///< of any image, there and back
};

/// There and back again, batch by batch.
Encoded encode_all(const FlowModel& flow, const torch::Tensor& images, int64_t batch) {
  std::vector<torch::Tensor> codes, reconstructions;
  int64_t most = 0;
  Progress line("encoding", "images", images.size(0));
  for (const auto& part : images.split(batch)) {
    CountingDenoiser counted(*flow.model.denoiser);
    const auto code = flow.code.encode(counted, part.to(flow.device, flow.type()));
    codes.push_back(code.cpu().to(torch::kFloat32));
    reconstructions.push_back(flow.code.decode(counted, code).cpu().to(torch::kFloat32));
    most = std::max(most, counted.nfe());
    line.update(std::min(images.size(0), static_cast<int64_t>(codes.size()) * batch));
  }
  return {torch::cat(codes), torch::cat(reconstructions), most};
}

/// Root mean square error of each image, in pixel values of 0 .. 255: [N] float64.
torch::Tensor pixel_errors(const torch::Tensor& images, const torch::Tensor& reconstructions) {
  const auto error = (reconstructions - images).to(torch::kFloat64) * kPixelsPerUnit;
  return error.square().flatten(1).mean(1).sqrt();
}

void write_comparison(const std::string& path, const torch::Tensor& images,
                      const Encoded& encoded) {
  const auto count = std::min(kMostShown, images.size(0));
  std::vector<std::string> captions;
  for (int64_t i = 0; i < count; ++i) captions.push_back(std::to_string(i));
  const auto row = [&](const char* label, const torch::Tensor& x) {
    return LabelledRow{label, to_pixels(x.narrow(0, 0, count))};
  };
  // Three standard deviations of noise from black to white.
  write_png(path, labelled_rows({row("image", images), row("code / 3", encoded.codes / 3),
                                 row("back", encoded.reconstructions)},
                                captions, picture_scale(images.size(2))));
}

Json summary(const EncodeCommand& command, const FlowModel& flow, const Encoded& encoded,
             const torch::Tensor& errors) {
  SampleMoments moments(1);
  moments.add(errors.unsqueeze(1));
  const auto rmse = moments.mean(0);
  const auto codes = encoded.codes.to(torch::kFloat64);
  return {{"checkpoint", flow.model.source},
          {"weights", flow.model.weights},
          {"class", command.flow.label},
          {"input", command.input},
          {"count", rmse.count},
          {"tolerance", command.flow.tolerance},
          {"nfe_most", encoded.most_evaluations},
          {"pixel_rmse", rmse.value},
          {"pixel_rmse_se", rmse.count > 1 ? Json(rmse.standard_error) : Json(nullptr)},
          {"pixel_rmse_largest", errors.max().item<double>()},
          {"code_mean", codes.mean().item<double>()},
          {"code_standard_deviation", codes.std(/*unbiased=*/false).item<double>()}};
}

}  // namespace

int encode_command(const Arguments& arguments) {
  EncodeCommand command;
  if (!parse_command_line(
          "halcyon encode --checkpoint RUN_OR_FILE --input IMAGES [--key value ...]", command,
          arguments)) {
    return 0;
  }
  require_option(!command.input.empty(), "--input", "a picture, folder or data set", "none");
  require_option(command.limit >= 0, "--limit", "a whole number >= 0", command.limit);
  require_option(command.batch > 0, "--batch", "a whole number > 0", command.batch);
  const auto flow = load_flow(command.flow, command.machine);
  const auto set = load_fitting(command.input, "--input", command.limit, flow.model);
  const auto images = to_model_units(set.images);
  make_directory(command.out);
  const auto encoded = encode_all(flow, images, command.batch);
  const auto errors = pixel_errors(images, encoded.reconstructions);
  const auto told = summary(command, flow, encoded, errors);
  write_safetensors(command.out + "/latents.safetensors",
                    {{"latents", encoded.codes}, {"pixel_rmse", errors}},
                    {{"halcyon.encode", told.dump()}});
  write_comparison(command.out + "/reconstruction.png", images, encoded);
  write_file_atomically(command.out + "/encode.json", told.dump(2) + "\n");
  fmt::print("{} images, at most {} NFE there and back; {:.3g} of 255 pixel values RMSE: {}\n",
             images.size(0), encoded.most_evaluations, errors.mean().item<double>(),
             command.out + "/reconstruction.png");
  return 0;
}

}  // namespace halcyon
