#include "samplers/grid_registry.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/noise_grid.h"

namespace halcyon {
namespace {

std::vector<double> make_karras(const GridRequest& request) {
  return karras_grid(request.sigma_min, request.sigma_max, request.steps, request.options.rho);
}

std::vector<double> make_geometric(const GridRequest& request) {
  return geometric_grid(request.sigma_min, request.sigma_max, request.steps);
}

std::vector<double> make_process(const GridRequest& request) {
  return process_grid(*make_noise_process(request.noise), request.sigma_min, request.sigma_max,
                      request.steps);
}

std::vector<double> make_vp(const GridRequest& request) {
  return process_grid(VpSchedule(request.noise.vp), request.sigma_min, request.sigma_max,
                      request.steps);
}

template <TimestepSpacing spacing>
std::vector<double> make_timesteps(const GridRequest& request) {
  return timestep_grid(VpSchedule(request.noise.vp), spacing, request.steps);
}

std::vector<double> make_file(const GridRequest& request) {
  const auto& options = request.options;
  if (!options.grid_levels) {
    throw ConfigError("sampler.grid_file: sampler.grid = file wants the file of its levels");
  }
  return resampled_grid(*options.grid_levels, options.steps);
}

const GridEntry& entry_of(GridSpacing spacing) {
  const auto& entries = grid_registry();
  return *std::find_if(entries.begin(), entries.end(),
                       [&](const GridEntry& entry) { return entry.spacing == spacing; });
}

/// Options that would have no effect are refused.
void check(const GridEntry& entry, const SamplerOptions& options) {
  if (entry.own_range && (options.sigma_min != 0 || options.sigma_max != 0)) {
    throw ConfigError(fmt::format(
        "sampler: want sigma_min = sigma_max = 0 with sampler.grid = {}, which decides its levels; "
        "got {} and {}",
        entry.name, options.sigma_min, options.sigma_max));
  }
  if (entry.spacing != GridSpacing::file && !options.grid_file.empty()) {
    throw ConfigError(
        fmt::format("sampler.grid_file: wants sampler.grid = file, got {}", entry.name));
  }
}

}  // namespace

const std::vector<GridEntry>& grid_registry() {
  static const std::vector<GridEntry> entries = {
      {"karras", GridSpacing::karras, "sigma^(1 / rho) evenly (Karras et al. 2022)", false,
       make_karras},
      {"geometric", GridSpacing::geometric, "ln sigma evenly: the log of the SNR as well", false,
       make_geometric},
      {"process", GridSpacing::process, "t of the model's noise process evenly", false,
       make_process},
      {"vp", GridSpacing::vp, "t of the discrete VP process evenly, whole or not", false, make_vp},
      {"leading", GridSpacing::leading, "timesteps 0, q, 2 q, ... of the discrete VP process", true,
       make_timesteps<TimestepSpacing::leading>},
      {"linspace", GridSpacing::linspace, "its timesteps 0 to T - 1 evenly, to whole ones", true,
       make_timesteps<TimestepSpacing::linspace>},
      {"trailing", GridSpacing::trailing, "its timesteps T - 1, T - 1 - q, ... (Lin et al. 2024)",
       true, make_timesteps<TimestepSpacing::trailing>},
      {"file", GridSpacing::file, "the column sigma of sampler.grid_file, to sampler.steps levels",
       true, make_file},
  };
  return entries;
}

std::vector<double> make_grid(GridSpacing spacing, int64_t steps, const SamplerOptions& options,
                              const ModelRange& model) {
  const auto& entry = entry_of(spacing);
  check(entry, options);
  return entry.make({options.sigma_min == 0 ? model.sigma_min : options.sigma_min,
                     options.sigma_max == 0 ? model.sigma_max : options.sigma_max,
                     options.steps == 0 ? steps : options.steps, options, model.noise});
}

}  // namespace halcyon
