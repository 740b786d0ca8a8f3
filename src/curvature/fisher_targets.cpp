#include "curvature/fisher_targets.h"

#include "core/torch.h"

namespace halcyon {

void for_each_backward(
    const TappedBatch& batch, FisherTargets targets, at::Generator& rng,
    const std::function<void(const TappedBatch::Backward&, double samples)>& visit) {
  const auto& phi = batch.predictions();
  const auto samples = static_cast<double>(batch.size());
  if (targets == FisherTargets::sampled) {
    visit(batch.backward(torch::randn(phi.sizes(), rng, phi.options())), samples);
    return;
  }
  const auto dim = phi.numel() / batch.size();
  for (int64_t i = 0; i < dim; ++i) {
    auto u = torch::zeros_like(phi);
    const auto sign = 2 * torch::randint(2, {batch.size()}, rng, phi.options()) - 1;
    u.view({batch.size(), dim}).select(1, i).copy_(sign);
    visit(batch.backward(u), samples / static_cast<double>(dim));
  }
}

}  // namespace halcyon
