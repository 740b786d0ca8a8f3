#include "fisher/fisher_estimates.h"

#include <cmath>

namespace halcyon {

Estimate scaled(const Estimate& estimate, double factor) {
  return {factor * estimate.value, std::abs(factor) * estimate.standard_error, estimate.count};
}

Estimate FisherEstimates::fraction(const Estimate& fisher_info) const {
  return scaled(fisher_info, sigma * sigma / static_cast<double>(dim));
}

Estimate FisherEstimates::info_rate() const { return scaled(eps_mse, static_cast<double>(dim)); }

Estimate FisherEstimates::effective_variance() const {
  const double left = 1 - eps_mse.value;
  return {sigma * sigma * eps_mse.value / left,
          sigma * sigma * eps_mse.standard_error / (left * left), eps_mse.count};
}

double FisherEstimates::virial_z() const { return (virial.value - 1) / virial.standard_error; }

}  // namespace halcyon
