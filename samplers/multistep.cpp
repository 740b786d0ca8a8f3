#include "samplers/multistep.h"

#include <algorithm>
#include <cmath>

#include "core/torch.h"

namespace halcyon {
namespace {

/// int_0^1 exp(-rate tau) tau^k dtau for k = 0 .. count - 1.
std::vector<double> exponential_moments(size_t count, double rate) {
  std::vector<double> moments(count);
  for (size_t k = 0; k < count; ++k) {
    const auto power = static_cast<double>(k);
    if (rate < 1) {  // by parts it would cancel
      double term = 1;
      for (int n = 0; n < 25; ++n) {
        moments[k] += term / (n + power + 1);
        term *= -rate / (n + 1);
      }
    } else {
      const double before = k == 0 ? 1 : power * moments[k - 1];
      moments[k] = (before - std::exp(-rate)) / rate;
    }
  }
  return moments;
}

/// Coefficients, lowest power first, of l_j.
std::vector<double> lagrange_polynomial(const std::vector<double>& nodes, size_t j) {
  std::vector<double> coefficients = {1};
  for (size_t m = 0; m < nodes.size(); ++m) {
    if (m == j) continue;
    // Times (tau - node_m) / (node_j - node_m).
    const double scale = 1 / (nodes[j] - nodes[m]);
    coefficients.push_back(0);
    for (size_t k = coefficients.size(); k-- > 0;) {
      const double lower = k == 0 ? 0 : coefficients[k - 1];
      coefficients[k] = scale * (lower - nodes[m] * coefficients[k]);
    }
  }
  return coefficients;
}

}  // namespace

void remember(EstimateHistory& history, const torch::Tensor& estimate, int64_t length) {
  history.push_front(estimate);
  while (static_cast<int64_t>(history.size()) > length) history.pop_back();
}

std::vector<double> interpolation_weights(const std::vector<double>& nodes, double rate) {
  const auto moments = exponential_moments(nodes.size(), rate);
  std::vector<double> weights;
  for (size_t j = 0; j < nodes.size(); ++j) {
    const auto coefficients = lagrange_polynomial(nodes, j);
    double weight = 0;
    for (size_t k = 0; k < nodes.size(); ++k) weight += coefficients[k] * moments[k];
    weights.push_back(weight);
  }
  return weights;
}

torch::Tensor weighted_sum(const std::vector<double>& weights, const EstimateHistory& values) {
  auto sum = weights[0] * values[0];
  for (size_t j = 1; j < weights.size(); ++j) sum = sum + weights[j] * values[j];
  return sum;
}

int64_t order_of_step(int64_t order, size_t i, const std::vector<double>& sigmas) {
  const auto known = static_cast<int64_t>(i) + 1;
  const auto left = static_cast<int64_t>(sigmas.size()) - known;
  return std::min({order, known, sigmas.back() == 0 ? left : order});
}

}  // namespace halcyon
