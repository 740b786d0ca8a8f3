#include "samplers/unipc.h"

#include <cmath>

#include "core/torch.h"
#include "samplers/dpm_solver.h"
#include "samplers/multistep.h"

namespace halcyon {
namespace {

/// UniC-p: step i from x at sigmas[i], by the D of its end, its start, and the levels before, in
/// this order.
torch::Tensor correct(const torch::Tensor& x, const EstimateHistory& denoised,
                      const std::vector<double>& sigmas, size_t i, int64_t p) {
  const double s = sigmas[i];
  const double u = sigmas[i + 1];
  const double h = std::log(s / u);
  if (p == 1) return u / s * x + (1 - u / s) * weighted_sum({0.5, 0.5}, denoised);
  std::vector<double> nodes = {0};
  for (size_t j = 0; j < static_cast<size_t>(p); ++j) {
    nodes.push_back(std::log(sigmas[i - j] / u) / h);
  }
  return u / s * x + h * weighted_sum(interpolation_weights(nodes, h), denoised);
}

}  // namespace

torch::Tensor UniPcSampler::run(Denoiser& denoiser, torch::Tensor x,
                                const std::vector<double>& sigmas, NoiseSource&) const {
  EstimateHistory denoised;
  torch::Tensor start;  // x that the last step was taken from
  for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
    remember(denoised, denoise_at(denoiser, x, sigmas[i]), p_ + 1);
    if (i > 0) x = correct(start, denoised, sigmas, i - 1, order_of_step(p_, i - 1, sigmas));
    start = x;
    x = dpmpp_multistep(x, denoised, sigmas, i, order_of_step(p_, i, sigmas));
  }
  return x;
}

}  // namespace halcyon
