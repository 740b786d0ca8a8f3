#include "samplers/adjusted_langevin.h"

#include <cmath>

#include "core/torch.h"
#include "samplers/langevin.h"

namespace halcyon {
namespace {

/// A place and the pull on it, sigma s(x; sigma) = (D - x) / sigma; lengths are in units of sigma.
struct State {
  torch::Tensor x, pull;
};

State at(Denoiser& denoiser, const torch::Tensor& x, double sigma) {
  return {x, (denoise_at(denoiser, x, sigma) - x) / sigma};
}

torch::Tensor inner_product(const torch::Tensor& a, const torch::Tensor& b) {
  return (a * b).flatten(1).sum(1);
}

/// ln of p(new) q(old | new) / (p(old) q(new | old)), [B].
torch::Tensor log_ratio(Denoiser& denoiser, const State& old, const State& proposed, double sigma,
                        double step) {
  const auto middle = at(denoiser, 0.5 * (old.x + proposed.x), sigma);
  const auto move = (proposed.x - old.x) / sigma;
  const auto energy = inner_product((old.pull + 4 * middle.pull + proposed.pull) / 6, move);
  const auto there = move - 0.5 * step * old.pull;
  const auto back = -move - 0.5 * step * proposed.pull;
  return energy + (inner_product(there, there) - inner_product(back, back)) / (2 * step);
}

}  // namespace

AdjustedLangevinSampler::AdjustedLangevinSampler(const LangevinOptions& options)
    : options_(options) {
  check_options(options);
}

torch::Tensor AdjustedLangevinSampler::run(Denoiser& denoiser, torch::Tensor x,
                                           const std::vector<double>& sigmas,
                                           NoiseSource& noise) const {
  const double step = options_.step;
  for (const double sigma : sigmas) {
    if (sigma == 0) break;
    auto state = at(denoiser, x, sigma);
    for (int64_t k = 0; k < options_.steps_per_level; ++k) {
      const auto move = 0.5 * step * state.pull + std::sqrt(step) * noise.normal_like(x);
      const auto proposed = at(denoiser, state.x + sigma * move, sigma);
      const auto ratio = log_ratio(denoiser, state, proposed, sigma, step);
      const auto taken = per_sample(noise.uniform(x.options()).log() < ratio, x);
      state = {torch::where(taken, proposed.x, state.x),
               torch::where(taken, proposed.pull, state.pull)};
    }
    x = state.x;
  }
  return sigmas.back() == 0 ? denoise_at(denoiser, x, sigmas[sigmas.size() - 2]) : x;
}

}  // namespace halcyon
