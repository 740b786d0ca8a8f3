#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/log_sigma_table.h"

namespace halcyon {

/// Spacing of the noise levels; by_sampler takes that of the sampler's registry row.
/// `halcyon list grids` says what the others are.
enum class GridSpacing {
  by_sampler,
  karras,
  geometric,
  process,
  vp,
  leading,
  linspace,
  trailing,
  file
};

inline constexpr std::array<std::pair<GridSpacing, const char*>, 9> enum_names(GridSpacing) {
  return {{{GridSpacing::by_sampler, "by_sampler"},
           {GridSpacing::karras, "karras"},
           {GridSpacing::geometric, "geometric"},
           {GridSpacing::process, "process"},
           {GridSpacing::vp, "vp"},
           {GridSpacing::leading, "leading"},
           {GridSpacing::linspace, "linspace"},
           {GridSpacing::trailing, "trailing"},
           {GridSpacing::file, "file"}}};
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
  double renewal = 4;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.step, "step", "step size alpha / sigma^2, in (0, 4) (langevin, langevin_adjusted)");
    field(self.steps_per_level, "steps_per_level",
          "Langevin steps at each noise level (langevin, langevin_adjusted)");
    field(self.renewal, "renewal",
          "k >= 1: a step keeps (sigma_next / sigma)^k of the noise and draws the rest anew "
          "(langevin_consistent)");
  }
};

/// Critically damped where the data is narrower than the noise.
struct KineticOptions {
  double step = 0.8;
  double friction = 2;
  int64_t steps_per_level = 4;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.step, "step",
          "step in time, lengths in units of sigma, in (0, 2) (langevin_kinetic)");
    field(self.friction, "friction", "rate at which the velocity is forgotten, > 0");
    field(self.steps_per_level, "steps_per_level", "steps at each noise level, >= 1");
  }
};

struct DdimOptions {
  double eta = 0;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.eta, "eta", "share of DDPM's noise that is added, >= 0 (ddim)");
  }
};

struct AncestralOptions {
  double eta = 1;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.eta, "eta", "share of DDPM's noise that is added, >= 0 (ancestral samplers)");
  }
};

struct SdeOptions {
  double eta = 1;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.eta, "eta", "strength of the noise: 0 none, 1 the reverse SDE (dpmpp_2m_sde, _3m_)");
  }
};

/// Xue et al. 2023.
struct SaSolverOptions {
  double tau = 1;
  int64_t predictor = 2;
  int64_t corrector = 2;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.tau, "tau", "strength of the noise: 0 none, 1 the reverse SDE (sa_solver)");
    field(self.predictor, "predictor", "steps that the prediction looks back on, in 1 .. 4");
    field(self.corrector, "corrector",
          "steps that the correction looks back on, in 0 .. 4; 0: none");
  }
};

enum class Predictor { reverse_sde, ancestral, probability_flow };

inline constexpr std::array<std::pair<Predictor, const char*>, 3> enum_names(Predictor) {
  return {{{Predictor::reverse_sde, "reverse_sde"},
           {Predictor::ancestral, "ancestral"},
           {Predictor::probability_flow, "probability_flow"}}};
}

/// Song et al. 2021; the signal-to-noise ratio is theirs for CIFAR-10.
struct PredictorCorrectorOptions {
  Predictor predictor = Predictor::reverse_sde;
  double snr = 0.16;
  int64_t corrector_steps = 1;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.predictor, "predictor",
          "reverse_sde (euler_maruyama), ancestral (ddpm) or probability_flow (euler)");
    field(self.snr, "snr", "signal-to-noise ratio of a Langevin step of the corrector, > 0");
    field(self.corrector_steps, "corrector_steps", "Langevin steps at each noise level, >= 0");
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
  std::string grid_file = {};
  /// For grid = file: no key, but what is in the file that `grid_file` names.
  std::optional<std::vector<double>> grid_levels = {};
  double sigma_min = 0;
  double sigma_max = 0;
  double rho = 7;
  bool denoise = true;
  ReverseVariance variance = ReverseVariance::posterior;
  std::string fisher = {};
  /// E |x_0 - D|^2 / (d sigma^2) over sigma, for variance = optimal: no key, but what is in the
  /// file that `fisher` names.
  std::optional<LogSigmaTable> eps_mse = {};
  ChurnOptions churn = {};
  LangevinOptions langevin = {};
  KineticOptions kinetic = {};
  DdimOptions ddim = {};
  AncestralOptions ancestral = {};
  SdeOptions sde = {};
  SaSolverOptions sa = {};
  PredictorCorrectorOptions pc = {};
  AdaptiveStepOptions ode = {};

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.name, "name", "the sampler; `halcyon list samplers` names them");
    field(self.steps, "steps", "number of noise levels above 0; 0: as suits the sampler");
    field(self.grid, "grid", "spacing of the noise levels; `halcyon list grids` explains them");
    field(self.grid_file, "grid_file", "CSV file with a column sigma, decreasing (grid = file)");
    field(self.sigma_min, "sigma_min", "lowest noise level above 0; 0: that of the model");
    field(self.sigma_max, "sigma_max", "highest noise level; 0: that of the model");
    field(self.rho, "rho", "exponent of the karras grid, > 0");
    field(self.denoise, "denoise",
          "a last step to sigma = 0; false: end at the lowest level, with its noise");
    field(self.variance, "variance", "of the noise of a step (ddpm); optimal wants sampler.fisher");
    field(self.fisher, "fisher",
          "fisher_levels.csv of the model, for variance = optimal; the exact denoiser of a toy "
          "needs none");
  }
  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("churn", self.churn);
    section("langevin", self.langevin);
    section("kinetic", self.kinetic);
    section("ddim", self.ddim);
    section("ancestral", self.ancestral);
    section("sde", self.sde);
    section("sa", self.sa);
    section("pc", self.pc);
    section("ode", self.ode);
  }
};

}  // namespace halcyon
