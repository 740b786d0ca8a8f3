#include <fmt/format.h>

#include "cli/command_line.h"
#include "cli/flow_model.h"
#include "cli/pictures.h"
#include "cli/start_images.h"
#include "core/require.h"
#include "core/torch.h"
#include "io/atomic_file.h"
#include "io/image_grid.h"

namespace halcyon {
namespace {

struct InterpolateCommand {
  CommonOptions common;
  FlowOptions flow;
  std::string from;
  std::string to;
  std::string out = "interpolated";
  int64_t frames = 9;
  MachineOptions machine;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    CommonOptions::fields(self.common, field);
    FlowOptions::fields(self.flow, field);
    field(self.from, "from", "picture to begin with; of a folder or data set the first");
    field(self.to, "to", "picture to end with");
    field(self.out, "out", "folder for the frames, 00000.png on, and strip.png");
    field(self.frames, "frames", "images, the two ends among them, >= 2");
  }
  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("run", self.machine);
  }
};

torch::Tensor load_end(const std::string& path, const char* key, const FlowModel& flow) {
  require_option(!path.empty(), key, "a picture", "none");
  return to_model_units(load_fitting(path, key, /*limit=*/1, flow.model).images)
      .to(flow.device, flow.type());
}

}  // namespace

int interpolate_command(const Arguments& arguments) {
  InterpolateCommand command;
  if (!parse_command_line(
          "halcyon interpolate --checkpoint RUN_OR_FILE --from A --to B [--key value ...]", command,
          arguments)) {
    return 0;
  }
  require_option(command.frames >= 2, "--frames", "a whole number >= 2", command.frames);
  const auto flow = load_flow(command.flow, command.machine);
  const auto ends =
      torch::cat({load_end(command.from, "--from", flow), load_end(command.to, "--to", flow)});
  make_directory(command.out);
  CountingDenoiser counted(*flow.model.denoiser);
  const auto codes = flow.code.encode(counted, ends);
  std::vector<torch::Tensor> between;
  std::vector<std::string> captions;
  for (int64_t i = 0; i < command.frames; ++i) {
    const auto t = static_cast<double>(i) / static_cast<double>(command.frames - 1);
    captions.push_back(fmt::format("{:.3g}", t));
    between.push_back(slerp(codes[0], codes[1], t));
  }
  const auto pixels = to_pixels(flow.code.decode(counted, torch::stack(between))).cpu();
  for (int64_t i = 0; i < command.frames; ++i) {
    write_png(fmt::format("{}/{:05}.png", command.out, i), pixels[i]);
  }
  const auto strip = command.out + "/strip.png";
  write_png(strip, labelled_rows({{"t", pixels}}, captions, picture_scale(pixels.size(2))));
  fmt::print("{} frames, {} NFE: {}\n", command.frames, counted.nfe(), strip);
  return 0;
}

}  // namespace halcyon
