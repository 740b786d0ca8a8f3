#pragma once

#include <torch/types.h>

#include <functional>

namespace halcyon {

/// dy/dt at (t, y), shaped as y.
using OdeFunction = std::function<torch::Tensor(double t, const torch::Tensor& y)>;

/// y(t1) from y(t0) = y by `steps` equal steps of the classical Runge-Kutta method: order 4, four
/// evaluations a step.
torch::Tensor integrate_rk4(const OdeFunction& f, torch::Tensor y, double t0, double t1,
                            int64_t steps);

/// y(t1) from y(t0) = y [B, n] by the embedded 5(4) pair of Dormand and Prince 1980, with one step
/// size for the whole batch: six evaluations a step, and one at the start.  A step is taken if in
/// each of the n columns the error, root mean square over the batch, is below
/// tolerance (1 + |y|).  @throws NonFiniteError if no step is small enough.
torch::Tensor integrate_dopri5(const OdeFunction& f, torch::Tensor y, double t0, double t1,
                               double tolerance);

}  // namespace halcyon
