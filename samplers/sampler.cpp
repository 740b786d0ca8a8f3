#include "samplers/sampler.h"

#include <algorithm>
#include <functional>

#include "core/torch.h"
#include "samplers/noised_start.h"

namespace halcyon {

torch::Tensor Sampler::sample(Denoiser& denoiser, const torch::Tensor& x,
                              const std::vector<double>& sigmas, NoiseSource& noise) const {
  const bool decreasing =
      std::adjacent_find(sigmas.begin(), sigmas.end(), std::less_equal<>()) == sigmas.end();
  TORCH_CHECK(sigmas.size() >= 2 && decreasing && sigmas.back() >= 0,
              "sampler: sigmas must decrease strictly to a last value >= 0");
  const torch::NoGradGuard no_grad;
  return run(denoiser, x, sigmas, noise);
}

torch::Tensor draw_samples(const Sampler& sampler, Denoiser& denoiser,
                           const std::vector<int64_t>& shape, const std::vector<double>& sigmas,
                           uint64_t seed, int64_t first, torch::TensorOptions options) {
  return draw_samples_from(sampler, denoiser, torch::zeros(shape, options), sigmas, seed, first);
}

torch::Tensor denoise_at(Denoiser& denoiser, const torch::Tensor& x, double sigma) {
  return denoiser.denoise(x, torch::full({x.size(0)}, sigma, x.options()));
}

}  // namespace halcyon
