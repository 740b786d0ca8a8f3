#pragma once

#include <torch/types.h>

namespace halcyon::testing {

/// |got - want| / |want| in float64, norms over all elements.
inline double relative_error(const torch::Tensor& got, const torch::Tensor& want) {
  return ((got.to(torch::kFloat64) - want).norm() / want.norm()).item<double>();
}

}  // namespace halcyon::testing
