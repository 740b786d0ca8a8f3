#pragma once

#include <torch/types.h>

#include <cstdint>
#include <deque>
#include <vector>

namespace halcyon {

// What linear multistep methods share.  In step i of a grid, from sigma_i to sigma_(i+1), they know
// an estimate at sigma_i, sigma_(i-1), ...: of x_0 or of the noise, newest first.

/// Estimates at the noise levels passed, newest first.
using EstimateHistory = std::deque<torch::Tensor>;

/// Puts `estimate` first, and keeps the newest `length`.
void remember(EstimateHistory& history, const torch::Tensor& estimate, int64_t length);

/// w_j = int_0^1 exp(-rate tau) l_j(tau) dtau, where l_j is the Lagrange polynomial that is 1 at
/// nodes[j] and 0 at the others: the weights that integrate the polynomial through given values
/// exactly.  nodes: distinct, at most 4 or so; rate >= 0.
std::vector<double> interpolation_weights(const std::vector<double>& nodes, double rate);

/// sum_j weights[j] values[j]; as many values as weights, or more.
torch::Tensor weighted_sum(const std::vector<double>& weights, const EstimateHistory& values);

/// The order of step i of a method of order `order`, that in i = 0 knows one estimate: at most
/// i + 1; and where the grid ends at 0, at most 1 in the last step, 2 in the one before, ..., as
/// the levels before 0 are far apart in ln sigma.
int64_t order_of_step(int64_t order, size_t i, const std::vector<double>& sigmas);

}  // namespace halcyon
