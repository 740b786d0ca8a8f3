#pragma once

#include <torch/types.h>

#include <array>
#include <utility>
#include <vector>

#include "curvature/curvature.h"
#include "curvature/tapped_batch.h"

namespace halcyon {

/// How K-FAC treats a layer whose weights are used at T places (Eschenhagen et al. 2023).
enum class WeightSharing { expand, reduce };

inline constexpr std::array<std::pair<WeightSharing, const char*>, 2> enum_names(WeightSharing) {
  return {{{WeightSharing::expand, "expand"}, {WeightSharing::reduce, "reduce"}}};
}

inline constexpr const char* kSharingHelp =
    "kfac and ekfac of convolutions: expand, or reduce (Eschenhagen et al. 2023)";

/// A mean of weighted sums; with kept < 1 an exponentially weighted one, its start counted right.
struct RunningMean {
  torch::Tensor sum;
  double weight = 0;

  void add(const torch::Tensor& more, double more_weight, double kept = 1);
  torch::Tensor mean() const { return sum / weight; }
};

/// The Kronecker factors of every affine layer's block of the Fisher matrix, B (x) A:
///
///     expand  A = E 1/T sum_t a_t a_t^T                     B = E sum_t g_t g_t^T
///     reduce  A = E abar abar^T, abar = 1/T sum_t a_t       B = E gbar gbar^T, gbar = sum_t g_t
///
/// (K-FAC: Martens and Grosse 2015; for convolutions Grosse and Martens 2016.)  Both are the block
/// itself where a and g are independent and T = 1; `expand` where the places are too.
class KroneckerFactors {
 public:
  /// What went in, and what came back of so many samples.
  void add_inputs(const TappedBatch& batch, WeightSharing sharing, double kept = 1);
  void add_gradients(const TappedBatch& batch, const TappedBatch::Backward& backward,
                     WeightSharing sharing, double samples, double kept = 1);

  /// Gives the blocks of the layers, in their order, the eigenvectors and eigenvalues of B (x) A.
  void decompose(std::vector<CurvatureBlock>& blocks) const;

  std::vector<RunningMean>& inputs() { return inputs_; }        ///< A, [I, I]
  std::vector<RunningMean>& gradients() { return gradients_; }  ///< B, [O, O]
  const std::vector<RunningMean>& inputs() const { return inputs_; }
  const std::vector<RunningMean>& gradients() const { return gradients_; }

 private:
  std::vector<RunningMean> inputs_, gradients_;
};

/// Eigenvalues, rising and not below 0, and eigenvectors in columns; computed in float64.
struct SymmetricEigen {
  torch::Tensor values, vectors;
};
SymmetricEigen symmetric_eigen(const torch::Tensor& matrix);

}  // namespace halcyon
