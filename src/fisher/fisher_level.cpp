#include "fisher/fisher_level.h"

#include <fmt/format.h>

#include <cmath>

#include "core/error.h"
#include "core/require.h"
#include "core/torch.h"
#include "fisher/fisher_options.h"
#include "fisher/observed_information.h"

namespace halcyon {

FisherLevel::FisherLevel(double sigma, int64_t dim, int64_t probes, ControlVariates controls,
                         torch::Tensor mean_image)
    : sigma_(sigma), probes_(probes), moments_(dim, probes, controls, std::move(mean_image)) {}

void FisherLevel::add(Denoiser& denoiser, const torch::Tensor& x0, const torch::Tensor& noise,
                      at::Generator& rng) {
  const auto sigma = torch::full({x0.size(0)}, sigma_, x0.options());
  const auto [denoised, trace] =
      denoise_with_trace(denoiser, x0 + sigma_ * noise, sigma, probes_, rng);
  moments_.add({x0, noise, sigma, denoised, trace});
  if (trace.defined()) observed_.add(trace);
}

FisherEstimates FisherLevel::estimates() const {
  auto estimates = moments_.estimates();
  estimates.sigma = sigma_;  // not rounded
  if (observed_.count() > 0) estimates.observed_count = observed_.value();
  return estimates;
}

TensorMap FisherLevel::state() const {
  auto state = moments_.state();
  insert_with_prefix(state, "observed.", observed_.state());
  return state;
}

void FisherLevel::load(const TensorMap& state) {
  moments_.load(state);
  observed_.load(with_prefix(state, "observed."));
}

void check_options(const FisherOptions& o, const std::string& prefix) {
  require_option(o.levels >= 2 && o.levels <= 10000, prefix + "levels",
                 "a whole number in 2 .. 10000", o.levels);
  require_option(o.images >= 4, prefix + "images", "a whole number >= 4", o.images);
  require_option(o.probes >= 0, prefix + "probes", "a whole number >= 0", o.probes);
  require_option(o.batch > 0, prefix + "batch", "a whole number > 0", o.batch);
  require_option(0 < o.sigma_min && o.sigma_min < o.sigma_max && std::isfinite(o.sigma_max),
                 prefix + "sigma_min", "0 < sigma_min < sigma_max", o.sigma_min);
}

std::vector<double> log_spaced_levels(double sigma_min, double sigma_max, int64_t count) {
  if (count < 2 || !(0 < sigma_min && sigma_min < sigma_max)) {
    throw ConfigError(
        fmt::format("fisher levels: want levels >= 2 and 0 < sigma_min < sigma_max, got {}, {}, {}",
                    count, sigma_min, sigma_max));
  }
  std::vector<double> levels;
  for (int64_t k = 0; k < count; ++k) {
    levels.push_back(sigma_min * std::pow(sigma_max / sigma_min,
                                          static_cast<double>(k) / static_cast<double>(count - 1)));
  }
  return levels;
}

}  // namespace halcyon
