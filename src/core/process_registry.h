#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/noise_process.h"
#include "core/noise_schedule.h"

namespace halcyon {

/// A noise process, and its constants.
struct NoiseProcessOptions {
  std::string name = "auto";
  VpScheduleOptions vp = {};
  double sigma_min = 0;
  double sigma_max = 0;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.name, "process",
          "noise process: edm, vp, vp_sde, sub_vp, ve or flow; auto: as suits the name");
    VpScheduleOptions::fields(self.vp, field);
    field(self.sigma_min, "sigma_min", "lowest sigma of the process (edm, ve); 0: 0.002 or 0.02");
    field(self.sigma_max, "sigma_max", "highest sigma of the process (edm, ve); 0: 80 or 100");
  }
};

struct NoiseProcessEntry {
  const char* name;     ///< as written in configs
  const char* summary;  ///< one line for `halcyon list processes`
  std::unique_ptr<NoiseProcess> (*make)(const NoiseProcessOptions&);
};

/// Every noise process the toolkit has, in the order they are listed to users.
const std::vector<NoiseProcessEntry>& noise_process_registry();

/// @throws ConfigError naming the key for an unknown name, constants out of range, or a range of
/// sigma for a process that has its own.
std::unique_ptr<NoiseProcess> make_noise_process(const NoiseProcessOptions& options);

}  // namespace halcyon
