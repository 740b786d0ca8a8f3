#pragma once

#include <vector>

#include "training/adamw.h"

namespace halcyon {

/// Muon (Jordan et al. 2024) for the matrices of linear layers and convolutions, seen as [rows,
/// -1], and AdamW for all other parameters:
///
///     V <- momentum V + G,   W <- W - rate 0.2 sqrt(max(m, n)) orthogonalised(G + momentum V)
///
/// for W [m, n].  The factor makes the root mean square of an update 0.2 rate whatever its shape,
/// which is about what AdamW's is, so that one learning rate does for both (Liu et al. 2025).
class Muon final : public Optimizer {
 public:
  Muon(const torch::nn::Module& module, const FlatParameters& parameters);

  void update(const OptimizerStep& step, const OptimizerOptions& options) override;
  TensorMap tensors(const FlatParameters& parameters) const override;

 private:
  using Slots = std::vector<FlatParameters::Slot>;

  void update_rest(const OptimizerStep& step, const OptimizerOptions& options);

  Slots matrices_, rest_;
  torch::Tensor velocity_;  // as values, of the matrices
  AdamW adamw_;             // of the rest, one after the other
};

/// A matrix of the singular vectors of `matrix` with singular values near 1, by iterations of
/// Newton and Schulz's kind, X <- a X + (b S + c S^2) X with S = X X^T, whose coefficients make
/// small singular values rise fast and leave large ones between 0.68 and 1.21 (Jordan et al. 2024).
torch::Tensor orthogonalised(const torch::Tensor& matrix, int64_t steps);

}  // namespace halcyon
