#include "curvature/kronecker_factors.h"

#include "core/torch.h"

namespace halcyon {
namespace {

/// sum over rows of v v^T, [..., n] -> [n, n].
torch::Tensor outer_sum(const torch::Tensor& v) {
  const auto rows = v.reshape({-1, v.size(-1)});
  return rows.t().matmul(rows);
}

}  // namespace

void RunningMean::add(const torch::Tensor& more, double more_weight, double kept) {
  sum = sum.defined() ? kept * sum + more : more;
  weight = kept * weight + more_weight;
}

void KroneckerFactors::add_inputs(const TappedBatch& batch, WeightSharing sharing, double kept) {
  inputs_.resize(batch.layers().size());
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const auto a = batch.inputs(i);
    const auto outer = sharing == WeightSharing::expand
                           ? outer_sum(a) / static_cast<double>(a.size(1))
                           : outer_sum(a.mean(1));
    inputs_[i].add(outer, static_cast<double>(batch.size()), kept);
  }
}

void KroneckerFactors::add_gradients(const TappedBatch& batch,
                                     const TappedBatch::Backward& backward, WeightSharing sharing,
                                     double samples, double kept) {
  gradients_.resize(batch.layers().size());
  for (size_t i = 0; i < gradients_.size(); ++i) {
    const auto g = batch.outputs(backward, i);
    gradients_[i].add(outer_sum(sharing == WeightSharing::expand ? g : g.sum(1)), samples, kept);
  }
}

void KroneckerFactors::decompose(std::vector<CurvatureBlock>& blocks) const {
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const auto a = symmetric_eigen(inputs_[i].mean());
    const auto b = symmetric_eigen(gradients_[i].mean());
    blocks[i].left = b.vectors;
    blocks[i].right = a.vectors;
    blocks[i].eigenvalues = torch::outer(b.values, a.values);
  }
}

SymmetricEigen symmetric_eigen(const torch::Tensor& matrix) {
  const auto [values, vectors] = torch::linalg_eigh(matrix.to(torch::kFloat64), "L");
  return {values.clamp_min(0).to(matrix.options()), vectors.contiguous().to(matrix.options())};
}

}  // namespace halcyon
