#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "core/log_sigma_table.h"

namespace halcyon {

/// Spacing of the noise levels; by_sampler takes that of the sampler's registry row.
enum class GridSpacing { by_sampler, karras, geometric, vp };

inline constexpr std::array<std::pair<GridSpacing, const char*>, 4> enum_names(GridSpacing) {
  return {{{GridSpacing::by_sampler, "by_sampler"},
           {GridSpacing::karras, "karras"},
           {GridSpacing::geometric, "geometric"},
           {GridSpacing::vp, "vp"}}};
}

/// The variance of the noise that a DDPM step adds; samplers/ancestral.h has the equations.
enum class ReverseVariance { posterior, upper, optimal };

inline constexpr std::array<std::pair<ReverseVariance, const char*>, 3> enum_names(
    ReverseVariance) {
  return {{{ReverseVariance::posterior, "posterior"},
           {ReverseVariance::upper, "upper"},
           {ReverseVariance::optimal, "optimal"}}};
}

/// Karras et al. 2022, Algorithm 2; defaults: Table 5 there, ImageNet-64.
struct ChurnOptions {
  double s_churn = 40;
  double s_min = 0.05;
  double s_max = 50;
  double s_noise = 1.003;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.s_churn, "s_churn", "amount of noise added back over all steps, >= 0 (edm)");
    field(self.s_min, "s_min", "lowest sigma at which noise is added (edm)");
    field(self.s_max, "s_max", "highest sigma at which noise is added (edm)");
    field(self.s_noise, "s_noise", "factor on the noise added, > 0 (edm)");
  }
};

/// Song and Ermon 2019 take step = epsilon / sigma_min^2 = 0.2 and 100 steps a level on 10 levels.
/// The samples end with too much noise unless each level has time to settle: over L levels the
/// variance is too large by about step / 4 + 2 ln(sigma_max / sigma_min) / (L steps_per_level
/// step).
struct LangevinOptions {
  double step = 0.2;
  int64_t steps_per_level = 16;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.step, "step", "step size alpha / sigma^2, in (0, 4) (langevin)");
    field(self.steps_per_level, "steps_per_level", "Langevin steps at each noise level (langevin)");
  }
};

struct AdaptiveStepOptions {
  double tolerance = 1e-5;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.tolerance, "tolerance", "error allowed a step, of 1 + |x|, in (0, 1) (dopri5)");
  }
};

struct SamplerOptions {
  std::string name = "heun";
  int64_t steps = 0;
  GridSpacing grid = GridSpacing::by_sampler;
  double sigma_min = 0;
  double sigma_max = 0;
  double rho = 7;
  ReverseVariance variance = ReverseVariance::posterior;
  std::string fisher = {};
  /// E |x_0 - D|^2 / (d sigma^2) over sigma, for variance = optimal: no key, but what is in the
  /// file that `fisher` names.
  std::optional<LogSigmaTable> eps_mse = {};
  ChurnOptions churn = {};
  LangevinOptions langevin = {};
  AdaptiveStepOptions ode = {};

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.name, "name", "the sampler; `halcyon list samplers` names them");
    field(self.steps, "steps", "number of noise levels above 0; 0: as suits the sampler");
    field(self.grid, "grid", "spacing of the noise levels");
    field(self.sigma_min, "sigma_min", "lowest noise level above 0; 0: that of the model");
    field(self.sigma_max, "sigma_max", "highest noise level; 0: that of the model");
    field(self.rho, "rho", "exponent of the karras grid, > 0");
    field(self.variance, "variance", "of the noise of a step (ddpm); optimal wants sampler.fisher");
    field(self.fisher, "fisher",
          "fisher_levels.csv of the model, for variance = optimal; the exact denoiser of a toy "
          "needs none");
  }
  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("churn", self.churn);
    section("langevin", self.langevin);
    section("ode", self.ode);
  }
};

}  // namespace halcyon
