#include "cli/report_alarms.h"

#include <fmt/format.h>

#include <cmath>
#include <functional>

namespace halcyon {
namespace {

/// The levels where `excess` is above 0 (NaN is not), and the one where it is largest.
struct Offence {
  size_t levels = 0;
  size_t worst = 0;
};

Offence offence(size_t count, const std::function<double(size_t)>& excess) {
  Offence found;
  for (size_t i = 0; i < count; ++i) {
    if (!(excess(i) > 0)) continue;
    if (found.levels++ == 0 || excess(i) > excess(found.worst)) found.worst = i;
  }
  return found;
}

}  // namespace

std::vector<std::string> level_alarms(const LevelTable& table) {
  const auto sigma = table.column("sigma");
  const auto calibration = table.column("score_calibration");
  const auto calibration_se = table.column("score_calibration_se");
  const auto loss = table.column("eps_mse"), loss_se = table.column("eps_mse_se");
  const auto linear = table.column("lmmse");
  const auto fraction = table.column("fisher_frac_exp");
  const auto fraction_se = table.column("fisher_frac_exp_se");

  std::vector<std::string> alarms;
  const auto check = [&](const char* words, const std::vector<double>& values,
                         const std::function<double(size_t)>& excess) {
    const auto found = offence(sigma.size(), excess);
    if (found.levels == 0) return;
    alarms.push_back(fmt::format("{} at {} of {} noise levels, worst at sigma {:.3g}: {:.4g}",
                                 words, found.levels, sigma.size(), sigma[found.worst],
                                 values[found.worst]));
  };
  check("Score calibration outside [0.9, 1.1]", calibration,
        [&](size_t i) { return std::abs(calibration[i] - 1) - 0.1 - 2 * calibration_se[i]; });
  check("Loss above that of the best linear denoiser", loss,
        [&](size_t i) { return loss[i] - linear[i] - 5 * loss_se[i]; });
  check("Fisher fraction above 1, which no true score has,", fraction,
        [&](size_t i) { return fraction[i] - 1 - 5 * fraction_se[i]; });
  return alarms;
}

}  // namespace halcyon
