#pragma once

#include <vector>

#include "cli/fisher_job.h"

namespace halcyon {

/// Looks into the folder of --out, which may have files of an earlier study, before any work.
/// @throws ConfigError for a run directory, whose own tables would be overwritten, and for files of
/// another model, data or seed, unless `parts` replace all of them.
void require_own_folder(const FisherJob& job, const std::vector<FisherPart>& parts);

/// Writes fisher_summary.json: what was measured of what, the numbers and the alarms.  What other
/// parts found of the same model, data and seed stays.  `parts`: those done so far.
void write_fisher_summary(const FisherJob& job, const std::vector<FisherPart>& parts);

}  // namespace halcyon
