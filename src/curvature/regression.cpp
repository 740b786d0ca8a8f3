#include "curvature/regression.h"

#include "core/torch.h"

namespace halcyon {

torch::Tensor whitened(Denoiser& denoiser, const RegressionBatch& batch) {
  return denoiser.denoise(batch.x, batch.sigma) / per_sample(batch.tau, batch.x);
}

torch::Tensor whitened_target(const RegressionBatch& batch) {
  return batch.x0 / per_sample(batch.tau, batch.x0);
}

RegressionBatch part(const RegressionBatch& batch, int64_t first, int64_t count) {
  return {batch.x0.narrow(0, first, count), batch.x.narrow(0, first, count),
          batch.sigma.narrow(0, first, count), batch.tau.narrow(0, first, count)};
}

}  // namespace halcyon
