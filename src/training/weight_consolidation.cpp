#include "training/weight_consolidation.h"

#include <cmath>

#include "core/require.h"
#include "core/torch.h"

namespace halcyon {
namespace {

/// In the digits that parameters are kept in, which a network's own may be copies of in fewer.
torch::Tensor anchor_of(const ParameterSpace& space, const TensorMap& tensors) {
  std::vector<torch::Tensor> parts;
  for (const auto& block : space.blocks()) parts.push_back(tensors.at(block.name));
  return space.flat(parts).to(space.parameters().front().device());
}

}  // namespace

void check_options(const EwcOptions& o) {
  require_option(o.strength > 0 && std::isfinite(o.strength), "ewc.strength", "a number > 0",
                 o.strength);
  require_option(o.curvature.empty() || !o.checkpoint.empty(), "ewc.curvature",
                 "ewc.checkpoint too", o.curvature);
}

WeightConsolidation::WeightConsolidation(Curvature curvature, const TensorMap& anchor,
                                         double strength, int64_t dim)
    : curvature_(std::move(curvature)),
      anchor_(anchor_of(curvature_.space(), anchor)),
      scale_(strength / static_cast<double>(dim)) {}

double WeightConsolidation::add_gradient(FlatParameters& parameters) const {
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> now;
  for (const auto& slot : parameters.slots()) now.push_back(slot.view(parameters.values()));
  const auto way = curvature_.space().flat(now) - anchor_;
  const auto product = curvature_.matvec(way);
  parameters.add_to_gradients(scale_ * product);
  return 0.5 * way.dot(product).item<double>();
}

}  // namespace halcyon
