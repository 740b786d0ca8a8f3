#include "cli/guidance.h"

#include <fmt/format.h>

#include "cli/data_loading.h"
#include "core/error.h"

namespace halcyon {
namespace {

void require_class(const Model& model, int64_t label) {
  if (label < 0) {
    throw ConfigError(
        "guidance.weight: guidance wants --class N, or a weaker model as guidance.checkpoint");
  }
  if (model.recipe.training.label_dropout == 0) {
    throw ConfigError(fmt::format(
        "guidance.weight: {} never saw images without their class (training.label_dropout = 0); "
        "want a weaker model as guidance.checkpoint",
        model.source));
  }
}

std::string text(const ImageShape& shape) {
  return fmt::format("{}x{}x{}", shape.channels, shape.height, shape.width);
}

}  // namespace

Guidance::Guidance(const GuidanceSection& section, const Model& model, int64_t label,
                   Precision precision, torch::Device device) {
  if (!section.checkpoint.empty()) {
    load_weak(section, model, label, precision, device);
    pair_ = std::make_unique<TwoDenoisers>(*model.denoiser, *weak_->denoiser);
  } else {
    require_class(model, label);
    pair_ = std::make_unique<WithAndWithoutClass>(*model.network, *model.preconditioning, label);
  }
  denoiser_.emplace(*pair_, section.options);
}

void Guidance::load_weak(const GuidanceSection& section, const Model& model, int64_t label,
                         Precision precision, torch::Device device) {
  weak_ = load_with_warnings(section.checkpoint, section.weights, /*label=*/-1, device);
  if (text(weak_->shape) != text(model.shape)) {
    throw ConfigError(fmt::format("guidance.checkpoint: {} is of images {}; want those of {}, {}",
                                  weak_->source, text(weak_->shape), model.source,
                                  text(model.shape)));
  }
  if (!weak_->network) return;
  weak_->network->use_type(scalar_type(network_precision(weak_->recipe.model, precision, device)));
  // A weaker model of the class, if it knows classes.
  if (label >= 0 && weak_->network->num_classes() > 0) set_class(*weak_, label, device);
}

}  // namespace halcyon
