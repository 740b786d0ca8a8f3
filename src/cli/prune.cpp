#include <fmt/format.h>

#include <optional>

#include "cli/acting_model.h"
#include "cli/estimate_text.h"
#include "cli/evaluation_data.h"
#include "cli/imported_model.h"
#include "cli/machine.h"
#include "cli/model_use.h"
#include "config/text_value.h"
#include "core/require.h"
#include "core/torch.h"
#include "curvature/pruning.h"
#include "io/atomic_file.h"
#include "io/table.h"

namespace halcyon {
namespace {

struct PruneCommand {
  CommonOptions common;
  ModelUse use;
  std::string curvature;
  PruningKind kind = PruningKind::unstructured;
  double share = 0.3;
  int64_t images = 1024;
  int64_t bands = 8;
  MachineOptions machine;
  DataOptions data;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    CommonOptions::fields(self.common, field);
    ModelUse::fields(self.use, field, "chooses the images and noise of the measurement",
                     "checkpoint to write: a .safetensors file, or a folder for one");
    field(self.curvature, "curvature", kCurvatureHelp);
    field(self.kind, "kind",
          "unstructured: single weights by their Fisher saliency; structured: whole outputs of a "
          "layer; magnitude: single weights by their size");
    field(self.share, "share", "of the parameters of affine layers, in (0, 1)");
    field(self.images, "images", "images that the cost is measured on; 0: foretold only");
    field(self.bands, "bands", "of noise levels that they are spread over, > 0");
  }
  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("run", self.machine);
    section("data", self.data);
  }
};

constexpr const char* kUsage =
    "halcyon prune --checkpoint RUN_OR_FILE --curvature FILE --out FILE [--key value ...]";

void check_options(const PruneCommand& o) {
  require_option(0 < o.share && o.share < 1, "--share", "a number in (0, 1)", o.share);
  require_option(o.bands > 0, "--bands", "a whole number > 0", o.bands);
  require_measurable("--images", o.images, o.bands);
  require_option(!o.use.out.empty(), "--out", "a file to write", "none");
}

/// Zeros what was removed, for good.
void remove(ScoreNetwork& network, const ParameterSpace& space, const torch::Tensor& removed) {
  const torch::NoGradGuard no_grad;
  int64_t begin = 0;
  for (auto& parameter : network.parameters()) {
    const auto gone = removed.narrow(0, begin, parameter.numel()).view(parameter.sizes());
    parameter.masked_fill_(gone.to(parameter.device()), 0);
    begin += parameter.numel();
  }
  TORCH_CHECK(begin == space.dim(), "prune: parameters in another order");
}

void print_cost(const Pruning& pruning, const StepCost& cost, const HeldOut& data) {
  fmt::print("{}", to_text(Table{.columns = {"nats an image, foretold", "measured",
                                             "eps mse before", "eps mse after", "rise"},
                                 .rows = {{pruning.divergence, with_error(cost.divergence),
                                           with_error(cost.before), with_error(cost.after),
                                           with_error(cost.rise)}}}));
  fmt::print("on {} images and noise levels of the {} part\n", cost.rise.count, data.split);
}

}  // namespace

int prune_command(const Arguments& arguments) {
  PruneCommand command;
  if (!parse_command_line(kUsage, command, arguments)) return 0;
  check_options(command);
  const auto device = set_up_machine(command.machine);
  const auto model = load_trained(command.use.checkpoint, command.use.weights, device);
  const auto [kept, weighting] = load_curvature(command.curvature, *model.network);
  const auto file = checkpoint_file(command.use.out);
  require_file_place(file);  // before the work: a bad place costs none, nor do bad images
  std::optional<HeldOut> data;
  if (command.images > 0) {
    data = load_measured(data_options(kUsage, PruneCommand(), arguments, model),
                         names_key(arguments, "data.split"), model);
  }
  const auto fisher = kept.to(torch::kFloat64);
  const auto& space = fisher.space();
  const auto theta = space.flat(space.parameters()).detach();
  const auto pruning = prune(fisher, theta.to(torch::kFloat64), command.kind, command.share);
  fmt::print("{} ({} weights, step {}): {} of {} parameters of affine layers removed ({})\n",
             model.source, model.weights, model.step, pruning.count(), pruning.candidates,
             to_text(command.kind));
  if (data) {
    const auto network =
        regression_on(model, data->set, weighting, command.bands, command.use.seed, device);
    const auto step = -theta * pruning.removed.to(theta.options());
    print_cost(pruning, step_cost(network, step, command.images), *data);
  } else {
    fmt::print("foretold: {:.4g} nats an image\n", pruning.divergence);
  }
  remove(*model.network, space, pruning.removed);
  write_changed_model(
      model, file,
      fmt::format("{} of {} pruned by {}", command.share, model.source, to_text(command.kind)));
  fmt::print("{}\n", file);
  return 0;
}

}  // namespace halcyon
