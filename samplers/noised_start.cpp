#include "samplers/noised_start.h"

#include <algorithm>
#include <iterator>

#include "core/require.h"
#include "core/torch.h"

namespace halcyon {

std::vector<double> grid_from(const std::vector<double>& sigmas, double sigma) {
  require_option(0 < sigma && sigma <= sigmas.front(), "start.sigma",
                 fmt::format("a number in (0, {}], as the grid goes", sigmas.front()).c_str(),
                 sigma);
  // A level that is sigma but for rounding would make an empty step.
  const double below = sigma * (1 - 1e-6);
  std::vector<double> grid = {sigma};
  std::copy_if(sigmas.begin(), sigmas.end(), std::back_inserter(grid),
               [below](double level) { return level < below; });
  require_option(grid.size() > 1, "start.sigma", "a level above the last of the grid", sigma);
  return grid;
}

torch::Tensor draw_samples_from(const Sampler& sampler, Denoiser& denoiser, const torch::Tensor& x0,
                                const std::vector<double>& sigmas, uint64_t seed, int64_t first) {
  NoiseSource noise(seed, first, x0.size(0), x0.device());
  const auto x = x0 + sigmas.front() * noise.normal_like(x0);
  return sampler.sample(denoiser, x, sigmas, noise);
}

}  // namespace halcyon
