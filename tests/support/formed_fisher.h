#pragma once

#include "core/torch.h"
#include "curvature/curvature.h"
#include "curvature/parameter_jacobian.h"

namespace halcyon::testing {

/// The Fisher matrix of a batch, [P, P], formed sample by sample and output by output.
inline torch::Tensor formed_fisher(Denoiser& denoiser, const ParameterSpace& space,
                                   const RegressionBatch& batch) {
  auto sum = torch::zeros({space.dim(), space.dim()}, torch::kFloat64);
  for (int64_t n = 0; n < batch.size(); ++n) {
    const ParameterJacobian jacobian(denoiser, space, part(batch, n, 1));
    const auto dim = jacobian.predictions().numel();
    std::vector<torch::Tensor> rows;
    for (int64_t i = 0; i < dim; ++i) {
      auto u = torch::zeros_like(jacobian.predictions());
      u.view({-1})[i] = 1;
      rows.push_back(jacobian.vjp(u));
    }
    const auto j = torch::stack(rows);
    sum += j.t().matmul(j);
  }
  return sum / static_cast<double>(batch.size());
}

/// What `curvature` multiplies by, [P, P].
inline torch::Tensor formed(const Curvature& curvature) {
  const auto identity = torch::eye(curvature.space().dim(), torch::kFloat64);
  std::vector<torch::Tensor> columns;
  for (int64_t i = 0; i < identity.size(0); ++i) columns.push_back(curvature.matvec(identity[i]));
  return torch::stack(columns, 1);
}

/// `matrix` where rows and columns belong to the same block, 0 elsewhere.
inline torch::Tensor block_diagonal(const torch::Tensor& matrix, const Curvature& curvature) {
  const auto& space = curvature.space();
  auto label = torch::empty({space.dim()}, torch::kInt64);
  for (size_t b = 0; b < curvature.blocks().size(); ++b) {
    for (const auto i : curvature.blocks()[b].tensors) {
      const auto& place = space.blocks()[static_cast<size_t>(i)];
      label.narrow(0, place.begin, place.count).fill_(static_cast<int64_t>(b));
    }
  }
  return torch::where(label.unsqueeze(0) == label.unsqueeze(1), matrix, torch::zeros_like(matrix));
}

}  // namespace halcyon::testing
