#include "samplers/ancestral.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/torch.h"
#include "samplers/dpm_solver.h"
#include "samplers/probability_flow.h"

namespace halcyon {

DdpmSampler::DdpmSampler(ReverseVariance variance, std::optional<LogSigmaTable> eps_mse)
    : variance_(variance), eps_mse_(std::move(eps_mse)) {
  if (variance_ == ReverseVariance::optimal && !eps_mse_) {
    throw ConfigError(
        "sampler.variance: optimal wants sampler.fisher, the fisher_levels.csv of the model");
  }
}

double DdpmSampler::x0_mse(double s) const {
  const double within = std::min(s, eps_mse_->points().back().sigma);
  return std::clamp(eps_mse_->at(s), 0.0, 1.0) * within * within;
}

double DdpmSampler::variance(double s, double u) const {
  const double s2 = s * s;
  const double u2 = u * u;
  const double moved = (s2 - u2) / s2;  // 1 - r
  switch (variance_) {
    case ReverseVariance::posterior:
      return u2 * moved;
    case ReverseVariance::upper:
      return (s2 - u2) * (1 + u2) / (1 + s2);
    case ReverseVariance::optimal:
      return u2 * moved + moved * moved * x0_mse(s);
  }
  TORCH_CHECK(false, "unreachable");
}

torch::Tensor DdpmSampler::run(Denoiser& denoiser, torch::Tensor x,
                               const std::vector<double>& sigmas, NoiseSource& noise) const {
  for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const auto denoised = denoise_at(denoiser, x, sigmas[i]);
    const double ratio = sigmas[i + 1] / sigmas[i];
    x = denoised + ratio * ratio * (x - denoised);
    if (sigmas[i + 1] > 0) {
      x = x + std::sqrt(variance(sigmas[i], sigmas[i + 1])) *
                  noise.normal_between(x, sigmas[i], sigmas[i + 1]);
    }
  }
  return x;
}

static std::unique_ptr<Sampler> solver_of(AncestralStep step) {
  switch (step) {
    case AncestralStep::euler:
      return std::make_unique<EulerSampler>();
    case AncestralStep::midpoint:
      return std::make_unique<MidpointSampler>();
    case AncestralStep::dpmpp_2s:
      return std::make_unique<DpmppSingleStepSampler>();
  }
  TORCH_CHECK(false, "unreachable");
}

AncestralSampler::AncestralSampler(AncestralStep step, double eta)
    : step_(solver_of(step)), eta_(eta) {
  if (!(eta >= 0) || !std::isfinite(eta)) {
    throw ConfigError(fmt::format("sampler: want eta >= 0, got {}", eta));
  }
}

torch::Tensor AncestralSampler::run(Denoiser& denoiser, torch::Tensor x,
                                    const std::vector<double>& sigmas, NoiseSource& noise) const {
  for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const double s = sigmas[i];
    const double u = sigmas[i + 1];
    const double up = std::min(u, eta_ * u * std::sqrt(1 - u * u / (s * s)));
    x = step_->sample(denoiser, x, {s, std::sqrt(u * u - up * up)}, noise);
    if (up > 0) x = x + up * noise.normal_between(x, s, u);
  }
  return x;
}

}  // namespace halcyon
