#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cmath>

#include "cli/acting_model.h"
#include "cli/estimate_text.h"
#include "cli/evaluation_data.h"
#include "cli/imported_model.h"
#include "cli/machine.h"
#include "config/options.h"
#include "core/error.h"
#include "core/require.h"
#include "core/torch.h"
#include "curvature/merging.h"
#include "io/atomic_file.h"
#include "io/table.h"

namespace halcyon {
namespace {

enum class MergeWeights { uniform, fisher };

inline constexpr std::array<std::pair<MergeWeights, const char*>, 2> enum_names(MergeWeights) {
  return {{{MergeWeights::uniform, "uniform"}, {MergeWeights::fisher, "fisher"}}};
}

struct MergeCommand {
  CommonOptions common;
  MergeWeights weights = MergeWeights::fisher;
  std::vector<std::string> curvature;
  std::vector<double> shares;
  std::string take = "ema";
  double ridge = 1e-3;
  std::string out;
  int64_t images = 1024;
  int64_t bands = 8;
  uint64_t seed = 0;
  MachineOptions machine;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    CommonOptions::fields(self.common, field);
    field(self.weights, "weights",
          "of the average: fisher, each parameter by what the models' data say of it; or uniform");
    field(self.curvature, "curvature",
          "a file of `halcyon fisher --space parameters --only curvature` for each model, with "
          "commas between");
    field(self.shares, "shares",
          "what each model counts beside the others, as the number of its images; empty: alike");
    field(self.take, "take", "weights of the checkpoints: raw, ema, or ema-HALFLIFE");
    field(self.ridge, "ridge",
          "pull to the uniform average, as a share of the mean eigenvalue of the Fisher matrices, "
          "> 0");
    field(self.out, "out", "checkpoint to write: a .safetensors file, or a folder for one");
    field(self.images, "images",
          "images of each model's data that all are measured on; 0: not measured");
    field(self.bands, "bands", "of noise levels that they are spread over, > 0");
    field(self.seed, "seed", "chooses images and noise");
  }
  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("run", self.machine);
  }
};

constexpr const char* kUsage =
    "halcyon merge A B [...] --curvature FILE_OF_A,FILE_OF_B --out FILE [--key value ...]";

void check_options(const MergeCommand& o, size_t models) {
  require_option(models >= 2, "command line", "two checkpoints or more", models);
  require_option(o.shares.empty() || o.shares.size() == models, "--shares",
                 fmt::format("{} numbers, one a model", models).c_str(), o.shares.size());
  for (const double share : o.shares) {
    require_option(share > 0 && std::isfinite(share), "--shares", "numbers > 0", share);
  }
  if (o.weights == MergeWeights::fisher) {
    require_option(o.curvature.size() == models, "--curvature",
                   fmt::format("{} files, one a model", models).c_str(), o.curvature.size());
  } else if (!o.curvature.empty()) {
    throw ConfigError("--curvature: counts only with --weights fisher");
  }
  require_option(o.ridge > 0 && std::isfinite(o.ridge), "--ridge", "a number > 0", o.ridge);
  require_option(o.bands > 0, "--bands", "a whole number > 0", o.bands);
  require_measurable("--images", o.images, o.bands);
  require_option(!o.out.empty(), "--out", "a file to write", "none");
}

/// @throws CheckpointError unless the networks are of one shape, with buffers and a
/// preconditioning that are equal.
void require_alike(Model& model, Model& first) {
  const auto refuse = [&](const std::string& why) {
    throw CheckpointError(
        fmt::format("'{}' cannot be merged with '{}': {}", model.source, first.source, why));
  };
  try {
    require_same_layout(network_tensors(*model.network), network_tensors(*first.network));
  } catch (const CheckpointError& error) {
    refuse(error.what());
  }
  const auto own = model.network->named_buffers();
  for (const auto& buffer : first.network->named_buffers()) {
    if (!torch::equal(own[buffer.key()], buffer.value())) {
      refuse(fmt::format("buffer '{}' has other values", buffer.key()));
    }
  }
  const OptionSet here(model.recipe.preconditioning), there(first.recipe.preconditioning);
  for (size_t i = 0; i < here.options().size(); ++i) {
    const auto found = here.options()[i].get(), wanted = there.options()[i].get();
    if (found != wanted) {
      refuse(
          fmt::format("preconditioning.{}: want {}, got {}", here.options()[i].key, wanted, found));
    }
  }
}

torch::Tensor parameters_of(const Model& model) {
  const ParameterSpace space(*model.network);
  return space.flat(space.parameters()).detach().to(torch::kFloat64);
}

/// One row of the tables: parameters by name.
struct Candidate {
  std::string name;
  torch::Tensor theta;
};

/// All candidates on the data of model k, as far as they are from it.
Table measured_on(const torch::Tensor& theta, const Curvature* fisher, const FisherNetwork& network,
                  const std::vector<Candidate>& candidates, int64_t images) {
  Table table{.columns = {"parameters", "eps mse", "rise", "nats from it, foretold", "measured"}};
  for (const auto& candidate : candidates) {
    const auto step = candidate.theta - theta;
    const auto cost =
        step_cost(network, step.to(network.space().parameters().front().scalar_type()), images);
    Cell foretold;
    if (fisher != nullptr) foretold = 0.5 * fisher->quadratic(step);
    table.rows.push_back({candidate.name, with_error(cost.after), with_error(cost.rise), foretold,
                          with_error(cost.divergence)});
  }
  return table;
}

/// What is merged.
struct Parents {
  std::vector<Model> models;
  std::vector<Curvature> fishers;  ///< in float64; none for a uniform merge
  std::vector<ParameterWeighting> weightings;
  std::vector<MergePart> parts;
};

Parents load_parents(const MergeCommand& command, const Arguments& names, torch::Device device) {
  Parents parents;
  for (size_t k = 0; k < names.size(); ++k) {
    parents.models.push_back(load_trained(names[k], command.take, device));
    if (k > 0) require_alike(parents.models[k], parents.models[0]);
  }
  for (size_t k = 0; k < command.curvature.size(); ++k) {
    const auto [blocks, weighting] =
        load_curvature(command.curvature[k], *parents.models[k].network);
    parents.fishers.push_back(blocks.to(torch::kFloat64));
    parents.weightings.push_back(weighting);
    require_option(weighting == parents.weightings.front(), "--curvature", "files of one weighting",
                   command.curvature[k]);
  }
  for (size_t k = 0; k < names.size(); ++k) {
    const auto* fisher = parents.fishers.empty() ? nullptr : &parents.fishers[k];
    parents.parts.push_back(
        {parameters_of(parents.models[k]), fisher, command.shares.empty() ? 1 : command.shares[k]});
  }
  return parents;
}

Merge merged(const MergeCommand& command, const Parents& parents) {
  if (parents.fishers.empty()) return merge_parameters(parents.parts, 1);
  double trace = 0;
  for (const auto& fisher : parents.fishers) trace += fisher.trace();
  const auto numbers = static_cast<double>(parents.parts[0].theta.numel()) *
                       static_cast<double>(parents.fishers.size());
  return merge_parameters(parents.parts, command.ridge * trace / numbers);
}

/// What each model is measured on.
std::vector<HeldOut> load_data(const Parents& parents) {
  std::vector<HeldOut> data;
  for (const auto& model : parents.models) {
    data.push_back(load_measured(model.recipe.data, /*split_is_named=*/false, model));
  }
  return data;
}

void measure(const MergeCommand& command, const Arguments& names, const Parents& parents,
             const std::vector<HeldOut>& data, const torch::Tensor& merge, torch::Device device) {
  auto plain = parents.parts;
  for (auto& part : plain) part.fisher = nullptr;
  std::vector<Candidate> candidates;
  for (size_t k = 0; k < names.size(); ++k) candidates.push_back({names[k], plain[k].theta});
  candidates.push_back({"uniform merge", merge_parameters(plain, 1).theta});
  if (!parents.fishers.empty()) candidates.push_back({"Fisher merge", merge});
  for (size_t k = 0; k < names.size(); ++k) {
    const auto weighting =
        parents.weightings.empty() ? ParameterWeighting::train : parents.weightings[k];
    const auto network = regression_on(parents.models[k], data[k].set, weighting, command.bands,
                                       command.seed, device);
    fmt::print("on the data of {} ({}):\n{}", names[k], data[k].split,
               to_text(measured_on(plain[k].theta, parents.parts[k].fisher, network, candidates,
                                   command.images)));
  }
}

}  // namespace

int merge_command(const Arguments& arguments) {
  MergeCommand command;
  Arguments names;
  if (!parse_command_line(kUsage, command, arguments, names)) return 0;
  check_options(command, names.size());
  const auto device = set_up_machine(command.machine);
  const auto parents = load_parents(command, names, device);
  const auto file = checkpoint_file(command.out);
  require_file_place(file);  // before the work: a bad place costs none, nor do bad images
  const auto data = command.images > 0 ? load_data(parents) : std::vector<HeldOut>();
  const auto merge = merged(command, parents);
  if (merge.iterations > 0) {
    fmt::print("{} steps of conjugate gradients, residual {:.1e}\n", merge.iterations,
               merge.residual);
  }
  if (command.images > 0) measure(command, names, parents, data, merge.theta, device);

  const auto& first = parents.models.front();
  const ParameterSpace space(*first.network);
  const auto tensors = space.shaped(merge.theta);
  {
    const torch::NoGradGuard no_grad;
    for (size_t i = 0; i < tensors.size(); ++i) {
      torch::Tensor parameter = space.parameters()[i];
      parameter.copy_(tensors[i]);
    }
  }
  std::vector<std::string> sources;
  for (const auto& model : parents.models) sources.push_back(model.source);
  write_changed_model(
      first, file,
      fmt::format("{} merge of {}", to_text(command.weights), fmt::join(sources, ", ")));
  fmt::print("{}\n", file);
  return 0;
}

}  // namespace halcyon
