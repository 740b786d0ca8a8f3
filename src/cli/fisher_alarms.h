#pragma once

#include <string>
#include <vector>

#include "cli/fisher_report.h"
#include "fisher/fisher_estimates.h"

namespace halcyon {

/// What is wrong with the measured score, in words, one line each; empty if nothing is:
///
///   - the score is too small or too large: c* outside [0.9, 1.1]
///   - more loss than a Wiener filter's, or a second moment above that of pure noise
///   - an effective variance that falls as sigma rises, which that of a true score cannot
///   - a score whose mean is not 0
///   - error bars of J_obs that rest on fewer than ten images (EffectiveCount)
///
/// The first four only where they stand out of their standard errors (five of them, for a mean
/// score: z > 5).
std::vector<std::string> fisher_alarms(const std::vector<FisherEstimates>& levels,
                                       const FisherReference& reference);

}  // namespace halcyon
