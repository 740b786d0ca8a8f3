#include "cli/fisher_alarms.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace halcyon {
namespace {

constexpr double kErrors = 5;
constexpr double kCalibration = 0.1;

/// By more than its errors, and than float32 networks round.
bool exceeds(const Estimate& estimate, double limit) {
  constexpr double kRounding = 1e-5;
  return estimate.value - limit > kErrors * estimate.standard_error + kRounding * limit;
}

std::string at(const FisherEstimates& level) { return fmt::format("sigma {:.3g}: ", level.sigma); }

/// The score wants to be multiplied by c*: it is 1 / c* of what it should be.
void add_calibration(const FisherEstimates& level, std::vector<std::string>& alarms) {
  const auto& c = level.score_calibration;
  if (std::abs(c.value - 1) - kCalibration < 2 * c.standard_error) return;
  if (c.value <= 0) {
    alarms.push_back(at(level) +
                     fmt::format("the score points away from the data (c* = {:.2f})", c.value));
    return;
  }
  const double percent = 100 * std::abs(1 / c.value - 1);
  alarms.push_back(at(level) + fmt::format("score {:.0f} % too {} (c* = {:.2f} +- {:.1g})", percent,
                                           c.value > 1 ? "small" : "large", c.value,
                                           c.standard_error));
}

void add_bounds(const FisherEstimates& level, const FisherReference& reference,
                std::vector<std::string>& alarms) {
  const auto fraction = level.fraction(level.fisher_info_exp);
  if (exceeds(fraction, 1)) {
    alarms.push_back(at(level) +
                     fmt::format("second moment {:.3f} +- {:.1g} of that of pure noise: more than "
                                 "any score has",
                                 fraction.value, fraction.standard_error));
  }
  if (!reference.gaussian) return;
  const double wiener = reference.gaussian->mmse(level.sigma) /
                        (level.sigma * level.sigma * static_cast<double>(level.dim));
  if (exceeds(level.eps_mse, wiener)) {
    alarms.push_back(at(level) + fmt::format("loss {:.4g} +- {:.1g} above the {:.4g} of a linear "
                                             "(Wiener) filter",
                                             level.eps_mse.value, level.eps_mse.standard_error,
                                             wiener));
  }
}

void add_variance_falls(const FisherEstimates& below, const FisherEstimates& level,
                        std::vector<std::string>& alarms) {
  const auto v = below.effective_variance(), w = level.effective_variance();
  const double error = std::hypot(v.standard_error, w.standard_error);
  if (v.value < 0 || w.value < 0 || v.value - w.value <= kErrors * error) return;
  alarms.push_back(at(level) +
                   fmt::format("effective variance falls to {:.3g} from {:.3g} at sigma {:.3g}: "
                               "one of the two is badly fitted",
                               w.value, v.value, below.sigma));
}

void add_mean_score(const std::vector<FisherEstimates>& levels, std::vector<std::string>& alarms) {
  const auto biased = std::count_if(levels.begin(), levels.end(),
                                    [](const auto& level) { return level.mean_score_z > kErrors; });
  if (biased == 0) return;
  const auto worst = std::max_element(
      levels.begin(), levels.end(),
      [](const auto& a, const auto& b) { return a.mean_score_z < b.mean_score_z; });
  alarms.push_back(
      at(*worst) +
      fmt::format("mean score z = {:.0f}, and above 5 at {} of {} levels: a biased score",
                  worst->mean_score_z, biased, levels.size()));
}

/// Where the error bar of J_obs is made by so few images that it is too short.
bool rests_on_few(const FisherEstimates& level) {
  constexpr double kFewest = 10;
  constexpr double kRounding = 1e-6;  // a spread of less is that of float32
  const auto count = static_cast<double>(level.fisher_info_obs.count);
  const auto fraction = level.fraction(level.fisher_info_obs);
  return level.observed_count > 0 && fraction.standard_error * std::sqrt(count) > kRounding &&
         level.observed_count < std::min(kFewest, count / 10);
}

void add_few_images(const std::vector<FisherEstimates>& levels, std::vector<std::string>& alarms) {
  std::vector<FisherEstimates> few;
  std::copy_if(levels.begin(), levels.end(), std::back_inserter(few), rests_on_few);
  if (few.empty()) return;
  const auto worst = *std::min_element(few.begin(), few.end(), [](const auto& a, const auto& b) {
    return a.observed_count < b.observed_count;
  });
  const auto elsewhere =
      few.size() > 1 ? fmt::format(" (at {} of {} levels)", few.size(), levels.size()) : "";
  alarms.push_back(at(worst) + fmt::format("error bars of J_obs rest on {:.0f} of {} images and "
                                           "are too short{}; take more --images",
                                           worst.observed_count, worst.fisher_info_obs.count,
                                           elsewhere));
}

}  // namespace

std::vector<std::string> fisher_alarms(const std::vector<FisherEstimates>& levels,
                                       const FisherReference& reference) {
  std::vector<std::string> alarms;
  for (size_t k = 0; k < levels.size(); ++k) {
    add_calibration(levels[k], alarms);
    add_bounds(levels[k], reference, alarms);
    if (k > 0) add_variance_falls(levels[k - 1], levels[k], alarms);
  }
  add_mean_score(levels, alarms);
  add_few_images(levels, alarms);
  return alarms;
}

}  // namespace halcyon
