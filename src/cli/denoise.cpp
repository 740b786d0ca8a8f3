#include <fmt/format.h>

#include <algorithm>

#include "checkpoint/checkpoint.h"
#include "cli/command_line.h"
#include "cli/data_loading.h"
#include "cli/machine.h"
#include "cli/progress.h"
#include "core/error.h"
#include "core/require.h"
#include "core/torch.h"

namespace halcyon {
namespace {

struct DenoiseCommand {
  CommonOptions common;
  std::string checkpoint;
  std::string weights = "ema";
  std::string input;
  std::string out;
  int64_t batch = 64;
  Precision precision = Precision::fp32;
  MachineOptions machine;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    CommonOptions::fields(self.common, field);
    field(self.checkpoint, "checkpoint",
          "run directory, step directory or .safetensors file; toy:NAME or empirical:PATH: exact "
          "denoisers");
    field(self.weights, "weights", "raw, ema, or ema-HALFLIFE");
    field(self.input, "input",
          "safetensors file: x [N, C, H, W]; sigma [N], where x = x_0 + sigma n, or timestep [N], "
          "where x is x_t of the model's process; and label [N], if any");
    field(self.out, "out", "safetensors file for denoised, score, sigma and the network's raw");
    field(self.batch, "batch", "tensors denoised at once, > 0");
    field(self.precision, "precision", kPrecisionHelp);
  }
  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("run", self.machine);
  }
};

/// A network that keeps what it last returned.
class RawNetwork final : public ScoreNetwork {
 public:
  explicit RawNetwork(ScoreNetwork& network) : network_(network) {}

  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& c_noise,
                        const torch::Tensor& label) override {
    return raw_ = network_.forward(x, c_noise, label);
  }
  const torch::Tensor& raw() const { return raw_; }

 private:
  ScoreNetwork& network_;
  torch::Tensor raw_;
};

/// What is asked, in our coordinates: x = x_0 + sigma n.
struct Questions {
  torch::Tensor x;      ///< [N, C, H, W], of the type given
  torch::Tensor sigma;  ///< [N] float64
  torch::Tensor scale;  ///< [N] float64: what was given is scale x
  torch::Tensor label;  ///< [N] int64, or undefined
};

/// The tensors of a file, each read once.
class Input {
 public:
  explicit Input(const std::string& path) : path_(path), tensors_(read_safetensors(path).tensors) {}

  bool has(const std::string& name) const { return tensors_.count(name) > 0; }

  [[noreturn]] void refuse(const std::string& name, const std::string& wanted) const {
    const auto found = has(name) ? fmt::format("{} of {} dimensions, {} numbers",
                                               c10::toString(tensors_.at(name).scalar_type()),
                                               tensors_.at(name).dim(), tensors_.at(name).numel())
                                 : std::string("nothing");
    throw DataError(fmt::format("{}: {}: want {}, got {}", path_, name, wanted, found));
  }

  torch::Tensor images(const ImageShape& shape) const {
    const auto wanted = fmt::format("float32 or float64 [N, {}, {}, {}]", shape.channels,
                                    shape.height, shape.width);
    if (!has("x")) refuse("x", wanted);
    const auto& x = tensors_.at("x");
    const bool good = x.dim() == 4 && x.size(0) > 0 && x.size(1) == shape.channels &&
                      x.size(2) == shape.height && x.size(3) == shape.width &&
                      (x.scalar_type() == torch::kFloat32 || x.scalar_type() == torch::kFloat64);
    if (!good) refuse("x", wanted);
    return x;
  }

  /// One number an image, in [least, most].
  torch::Tensor numbers(const std::string& name, int64_t count, double least, double most) const {
    const auto wanted = fmt::format("[{}] finite numbers in {:g} .. {:g}", count, least, most);
    const auto values = tensors_.at(name).to(torch::kFloat64);
    if (values.dim() != 1 || values.size(0) != count) refuse(name, wanted);
    const bool inside = ((values >= least) & (values <= most)).all().item<bool>();
    if (!inside) {
      throw DataError(fmt::format("{}: {}: want {}, got {:g} .. {:g}", path_, name, wanted,
                                  values.min().item<double>(), values.max().item<double>()));
    }
    return values;
  }

  torch::Tensor labels(int64_t count, int64_t classes) const {
    if (!has("label")) return {};
    if (classes == 0) refuse("label", "none: the model has no classes");
    return numbers("label", count, 0, static_cast<double>(classes)).to(torch::kInt64);
  }

 private:
  std::string path_;
  TensorMap tensors_;
};

Questions read_questions(const Input& input, const Model& model) {
  Questions asked;
  asked.x = input.images(model.shape);
  const int64_t count = asked.x.size(0);
  if (input.has("sigma") == input.has("timestep")) input.refuse("sigma", "it or timestep");
  if (input.has("sigma")) {
    constexpr double kMost = 1e30;
    asked.sigma = input.numbers("sigma", count, 1e-30, kMost);
    asked.scale = torch::ones_like(asked.sigma);
  } else {
    if (!model.network) input.refuse("sigma", "sigma: an exact denoiser has no timesteps");
    const auto process = make_noise_process(model.range.noise);
    asked.sigma =
        process->sigma(input.numbers("timestep", count, process->time_min(), process->time_max()));
    asked.scale = process->scale(asked.sigma);
  }
  asked.label = input.labels(count, model.network ? model.network->num_classes() : 0);
  return asked;
}

/// In float64 but for the network, so that nothing is lost around it.
TensorMap answer(Model& model, const Questions& asked, int64_t from, int64_t count,
                 torch::Device device) {
  const auto part = [&](const torch::Tensor& t) {
    return t.defined() ? t.slice(0, from, from + count).to(device) : t;
  };
  const auto sigma = part(asked.sigma);
  const auto scale = part(asked.scale);
  const auto given = part(asked.x).to(torch::kFloat64);
  const auto x = given / per_sample(scale, given);
  TensorMap answers;
  if (model.network) {
    RawNetwork network(*model.network);
    PreconditionedDenoiser denoiser(network, *model.preconditioning, part(asked.label));
    answers["denoised"] = denoiser.denoise(x, sigma);
    answers["raw"] = network.raw();
  } else {
    answers["denoised"] = model.denoiser->denoise(x, sigma);
  }
  answers["score"] = (answers["denoised"] - x) / per_sample(scale * sigma.square(), x);
  answers["sigma"] = sigma;
  for (auto& [name, tensor] : answers) tensor = tensor.to(asked.x.scalar_type()).cpu();
  return answers;
}

TensorMap answer_all(Model& model, const Questions& asked, int64_t batch, torch::Device device) {
  const torch::NoGradGuard no_grad;
  std::map<std::string, std::vector<torch::Tensor>> parts;
  const int64_t count = asked.x.size(0);
  Progress progress("denoised", "images", count, 0);
  for (int64_t from = 0; from < count; from += batch) {
    const auto size = std::min(batch, count - from);
    for (auto& [name, tensor] : answer(model, asked, from, size, device)) {
      parts[name].push_back(tensor);
    }
    progress.update(from + size);
  }
  progress.clear();
  TensorMap whole;
  for (auto& [name, tensors] : parts) whole[name] = torch::cat(tensors);
  return whole;
}

}  // namespace

int denoise_command(const Arguments& arguments) {
  DenoiseCommand command;
  if (!parse_command_line("halcyon denoise --checkpoint RUN_OR_FILE --input FILE --out FILE",
                          command, arguments)) {
    return 0;
  }
  require_option(command.batch > 0, "--batch", "a whole number > 0", command.batch);
  if (command.input.empty()) throw ConfigError("--input: want a safetensors file");
  if (command.out.empty()) throw ConfigError("--out: want a safetensors file to write");
  const auto device = set_up_machine(command.machine);
  auto model = load_with_warnings(command.checkpoint, command.weights, -1, device);
  if (model.network) {
    const auto precision = network_precision(model.recipe.model, command.precision, device);
    model.network->use_type(scalar_type(precision));
  }
  const auto asked = read_questions(Input(command.input), model);
  const auto answers = answer_all(model, asked, command.batch, device);
  write_safetensors(command.out, answers, {{"halcyon.source", model.source}});
  fmt::print("{} denoised: {}\n", asked.x.size(0), command.out);
  return 0;
}

}  // namespace halcyon
