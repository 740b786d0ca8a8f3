#pragma once

#include <string>
#include <vector>

#include "core/log_sigma_table.h"
#include "samplers/registry.h"

namespace halcyon {

/// Column `column` over column `sigma` of a CSV file; of a file of several tables, told apart by
/// `step`, `split` and `weights`, the last.  @throws FileError naming the file, and the level, for
/// a column that is missing, a cell that is no finite number, or levels that do not increase.
LogSigmaTable load_level_table(const std::string& path, const std::string& column);

/// The multipliers of the score in a file that `halcyon calibrate` wrote, for CalibratedDenoiser;
/// a fisher_levels.csv does as well.  @throws FileError as above and for a multiplier <= 0.
LogSigmaTable load_calibration(const std::string& path);

/// Column sigma of a CSV file, whose levels decrease strictly and are > 0.
/// @throws FileError naming file, line, what was found and wanted.
std::vector<double> load_grid_levels(const std::string& path);

/// A number that tells the points of one table from those of another, as text.
std::string fingerprint(const LogSigmaTable& table);

/// What the options of a sampler name files for.  sampler.grid = file gets its levels from
/// sampler.grid_file.  sampler.variance = optimal gets its table of eps_mse from the file of
/// sampler.fisher, or, where that is empty and `source` is toy:NAME, the exact one.
/// @throws FileError as above; ConfigError for options of which no sampler or grid can be made
void load_sampler_table(SamplerOptions& options, const std::string& source,
                        const ModelRange& range);

}  // namespace halcyon
