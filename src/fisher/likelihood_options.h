#pragma once

#include <array>
#include <cstdint>
#include <utility>

namespace halcyon {

/// The information-theoretic bound.
struct InformationOptions {
  int64_t draws = 8;
  double loc = 0;
  double scale = 0;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.draws, "draws", "noise levels drawn for each image, stratified, > 0");
    field(self.loc, "loc", "median of the log-SNR -2 ln sigma at which noise levels are drawn");
    field(self.scale, "scale",
          "its logistic scale; 0: loc and scale from the information rate of the Gaussian");
  }
};

enum class OdeSolver { rk4, dopri5 };

inline constexpr std::array<std::pair<OdeSolver, const char*>, 2> enum_names(OdeSolver) {
  return {{{OdeSolver::rk4, "rk4"}, {OdeSolver::dopri5, "dopri5"}}};
}

enum class Divergence { hutchinson, exact };

inline constexpr std::array<std::pair<Divergence, const char*>, 2> enum_names(Divergence) {
  return {{{Divergence::hutchinson, "hutchinson"}, {Divergence::exact, "exact"}}};
}

/// The likelihood of the probability-flow ODE.
struct OdeOptions {
  OdeSolver solver = OdeSolver::rk4;
  int64_t steps = 64;
  double tolerance = 1e-4;
  Divergence divergence = Divergence::hutchinson;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.solver, "solver",
          "rk4 (fixed steps) or dopri5 (Dormand and Prince's 5(4), adaptive)");
    field(self.steps, "steps", "steps of rk4, evenly spaced in ln sigma, 4 NFE each, > 0");
    field(self.tolerance, "tolerance",
          "absolute and relative error of a step of dopri5, in 1e-08 .. 0.1");
    field(self.divergence, "divergence",
          "hutchinson: one Rademacher probe an image; exact: one product a dimension");
  }
};

/// @throws ConfigError naming the key, it.* or ode.*, unless every option is in its range.
void check_options(const InformationOptions& options);
void check_options(const OdeOptions& options);

}  // namespace halcyon
