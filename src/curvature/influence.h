#pragma once

#include <torch/types.h>

#include <vector>

#include "curvature/curvature.h"
#include "curvature/tapped_batch.h"

namespace halcyon {

/// What training images do for the loss of given others, the queries: to first order, leaving
/// image n out of N raises the loss of query q by
///
///     I_qn = g_q^T (F + ridge I)^-1 g_n / N,   g = d/dtheta |phi - x_0 / tau|^2 / 2
///
/// nats (Koh and Liang 2017; with EKFAC Grosse et al. 2023, for diffusion models Mlodozeniec et al.
/// 2025).  Images that help have I > 0.  The sums go over the parameters of affine layers, whose
/// gradients are known image by image; what the others do to one another is left out.
class Influence {
 public:
  /// Of N = `images` training images; ridge > 0.
  Influence(const Curvature& fisher, double ridge, int64_t images)
      : fisher_(fisher), ridge_(ridge), images_(static_cast<double>(images)) {}

  /// Adds a query by its gradient [P].
  void add_query(const torch::Tensor& gradient);

  /// I of every query for every sample of a batch, by one draw of its noise: [B, Q].  target: the
  /// batch's whitened_target().
  torch::Tensor of(const TappedBatch& batch, const torch::Tensor& target) const;

 private:
  const Curvature& fisher_;
  double ridge_;
  double images_;
  std::vector<torch::Tensor> queries_;  // (F + ridge I)^-1 g_q / N
};

/// g averaged over a batch, [P]; 0 at the parameters outside affine layers.
torch::Tensor layer_gradient(const TappedBatch& batch, const torch::Tensor& target,
                             const ParameterSpace& space);

}  // namespace halcyon
