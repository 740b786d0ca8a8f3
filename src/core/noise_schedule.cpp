#include "core/noise_schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "core/torch.h"

namespace halcyon {
namespace {

/// f(from), ..., f(to) at `count` even places.
template <class F>
std::vector<double> evenly(double from, double to, int64_t count, F&& f) {
  std::vector<double> values;
  for (int64_t i = 0; i < count; ++i) {
    values.push_back(
        f(from + (to - from) * static_cast<double>(i) / static_cast<double>(count - 1)));
  }
  return values;
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

std::vector<double> betas_of(const VpScheduleOptions& options) {
  const double start = options.beta_start;
  const double end = options.beta_end;
  const int64_t count = options.timesteps;
  switch (options.beta) {
    case BetaSchedule::linear:
      return evenly(start, end, count, [](double beta) { return beta; });
    case BetaSchedule::scaled_linear:
      return evenly(std::sqrt(start), std::sqrt(end), count,
                    [](double root) { return root * root; });
    case BetaSchedule::cosine:
      return cosine_betas(count);
    case BetaSchedule::sigmoid:
      return evenly(-6, 6, count,
                    [&](double z) { return start + (end - start) / (1 + std::exp(-z)); });
    case BetaSchedule::listed:
      return options.betas;
  }
  TORCH_CHECK(false, "unreachable");
}

void rescale_to_zero_snr(std::vector<double>& log_alpha_bar) {
  constexpr double kLeastHalf = 0x1p-24;
  const double first = std::exp(0.5 * log_alpha_bar.front());
  const double last = std::exp(0.5 * log_alpha_bar.back());
  log_alpha_bar.pop_back();
  for (auto& value : log_alpha_bar) {
    value = 2 * std::log((std::exp(0.5 * value) - last) * first / (first - last));
  }
  log_alpha_bar.push_back(std::min(std::log(kLeastHalf), log_alpha_bar.back() - std::log(4)));
}

std::vector<double> log_alpha_bars(const VpScheduleOptions& options) {
  check_options(options);
  std::vector<double> values;
  double log_alpha_bar = 0;
  for (const double beta : betas_of(options)) values.push_back(log_alpha_bar += std::log1p(-beta));
  if (options.zero_terminal_snr) rescale_to_zero_snr(values);
  return values;
}

double log_sigma_of(double log_alpha_bar) { return 0.5 * std::log(std::expm1(-log_alpha_bar)); }

torch::Tensor log_sigmas(const VpScheduleOptions& options) {
  std::vector<double> values;
  for (const double value : log_alpha_bars(options)) values.push_back(log_sigma_of(value));
  return torch::tensor(values, torch::kFloat64);
}

void check_listed(const VpScheduleOptions& options) {
  const auto wanted = options.beta == BetaSchedule::listed ? options.timesteps : 0;
  const auto found = static_cast<int64_t>(options.betas.size());
  if (found != wanted) {
    throw ConfigError(fmt::format("preconditioning.betas: want {}, got {} numbers",
                                  wanted == 0
                                      ? "none unless preconditioning.beta = listed"
                                      : fmt::format("one for each of the {} timesteps", wanted),
                                  found));
  }
  for (const double beta : options.betas) {
    if (!(0 < beta && beta < 1)) {
      throw ConfigError(fmt::format("preconditioning.betas: want numbers in (0, 1), got {}", beta));
    }
  }
}

NoiseProcess::Range range_of(const VpScheduleOptions& options) {
  const auto values = log_alpha_bars(options);
  return {0, static_cast<double>(values.size() - 1), std::exp(log_sigma_of(values.front())),
          std::exp(log_sigma_of(values.back()))};
}

}  // namespace

void check_options(const VpScheduleOptions& options) {
  const bool ordered = 0 < options.beta_start && options.beta_start <= options.beta_end;
  constexpr int64_t kMostTimesteps = 1'000'000;
  const bool counted = 2 <= options.timesteps && options.timesteps <= kMostTimesteps;
  if (!counted || !ordered || !(options.beta_end < 1)) {
    throw ConfigError(
        fmt::format("preconditioning: want timesteps in 2 .. 1000000 and 0 < beta_start <= "
                    "beta_end < 1, got {}, {} and {}",
                    options.timesteps, options.beta_start, options.beta_end));
  }
  check_listed(options);
}

VpSchedule::VpSchedule(const VpScheduleOptions& options)
    : NoiseProcess(range_of(options)), log_sigma_(log_sigmas(options)) {
  for (const double value : log_alpha_bars(options)) alpha_bar_.push_back(std::exp(value));
}

torch::Tensor VpSchedule::scale(const torch::Tensor& sigma) const {
  return (1 + sigma.square()).rsqrt();
}

torch::Tensor VpSchedule::sigma_at(const torch::Tensor& t) const {
  const auto table = log_sigma_.on(t.device());
  const auto left = t.floor().clamp_max(static_cast<double>(table.size(0) - 2));
  const auto index = left.to(torch::kInt64);
  const auto low = table.index({index});
  return (low + (t - left) * (table.index({index + 1}) - low)).exp();
}

torch::Tensor VpSchedule::time_at(const torch::Tensor& sigma) const {
  const auto table = log_sigma_.on(sigma.device());
  const auto log_sigma = sigma.log();
  const auto index = (torch::searchsorted(table, log_sigma) - 1).clamp(0, table.size(0) - 2);
  const auto low = table.index({index});
  return index + (log_sigma - low) / (table.index({index + 1}) - low);
}

torch::Tensor VpSchedule::training_time(const torch::Tensor& u) const {
  return (static_cast<double>(log_sigma_.size()) * u).floor();
}

}  // namespace halcyon
