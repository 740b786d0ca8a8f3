#include "core/noise_schedule.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace halcyon {
namespace {

std::vector<double> linear_betas(const VpScheduleOptions& options) {
  std::vector<double> betas;
  const auto last = static_cast<double>(options.timesteps - 1);
  for (int64_t t = 0; t < options.timesteps; ++t) {
    betas.push_back(options.beta_start +
                    (options.beta_end - options.beta_start) * static_cast<double>(t) / last);
  }
  return betas;
}

std::vector<double> cosine_betas(int64_t timesteps) {
  const auto f = [&](int64_t t) {
    const double s = 0.008;
    const double u = static_cast<double>(t) / static_cast<double>(timesteps);
    const double c = std::cos((u + s) / (1 + s) * std::numbers::pi / 2);
    return c * c;
  };
  std::vector<double> betas;
  for (int64_t t = 0; t < timesteps; ++t) betas.push_back(std::min(1 - f(t + 1) / f(t), 0.999));
  return betas;
}

}  // namespace

VpSchedule::VpSchedule(const VpScheduleOptions& options) {
  const bool ordered = 0 < options.beta_start && options.beta_start <= options.beta_end;
  constexpr int64_t kMostTimesteps = 1'000'000;
  const bool counted = 2 <= options.timesteps && options.timesteps <= kMostTimesteps;
  if (!counted || !ordered || !(options.beta_end < 1)) {
    throw ConfigError(
        fmt::format("preconditioning: want timesteps in 2 .. 1000000 and 0 < beta_start <= "
                    "beta_end < 1, got {}, {} and {}",
                    options.timesteps, options.beta_start, options.beta_end));
  }
  const auto betas = options.beta == BetaSchedule::linear ? linear_betas(options)
                                                          : cosine_betas(options.timesteps);
  std::vector<double> log_sigma;
  double log_alpha_bar = 0;
  for (const double beta : betas) {
    log_alpha_bar += std::log1p(-beta);
    alpha_bar_.push_back(std::exp(log_alpha_bar));
    log_sigma.push_back(0.5 * std::log(std::expm1(-log_alpha_bar)));
  }
  log_sigma_ = torch::tensor(log_sigma, torch::kFloat64);
}

double VpSchedule::sigma_min() const { return std::exp(log_sigma_[0].item<double>()); }

double VpSchedule::sigma_max() const { return std::exp(log_sigma_[-1].item<double>()); }

torch::Tensor VpSchedule::sigma(const torch::Tensor& t) const {
  const auto table = log_sigma_.to(t.device());
  const auto time = t.to(torch::kFloat64).clamp(0, static_cast<double>(table.size(0) - 1));
  const auto left = time.floor().clamp_max(static_cast<double>(table.size(0) - 2));
  const auto index = left.to(torch::kInt64);
  const auto low = table.index({index});
  return (low + (time - left) * (table.index({index + 1}) - low)).exp().to(t.scalar_type());
}

torch::Tensor VpSchedule::time(const torch::Tensor& sigma) const {
  const auto table = log_sigma_.to(sigma.device());
  const auto log_sigma = sigma.to(torch::kFloat64).log();
  const auto index = (torch::searchsorted(table, log_sigma) - 1).clamp(0, table.size(0) - 2);
  const auto low = table.index({index});
  const auto fraction = (log_sigma - low) / (table.index({index + 1}) - low);
  return (index + fraction)
      .clamp(0, static_cast<double>(table.size(0) - 1))
      .to(sigma.scalar_type());
}

}  // namespace halcyon
