#pragma once

#include <string>
#include <vector>

#include "cli/report_data.h"

namespace halcyon {

/// In words, what no good score does, each with the level where it is worst:
/// a score calibration outside [0.9, 1.1] by more than 2 standard errors; a loss above that of the
/// best linear denoiser (LMMSE), or a Fisher fraction above 1, by more than 5.
std::vector<std::string> level_alarms(const LevelTable& table);

}  // namespace halcyon
