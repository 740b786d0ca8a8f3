#pragma once

#include <torch/types.h>

#include <array>
#include <utility>

#include "curvature/curvature.h"

namespace halcyon {

/// What is removed at a time, and by which saliency.
enum class PruningKind { unstructured, structured, magnitude };

inline constexpr std::array<std::pair<PruningKind, const char*>, 3> enum_names(PruningKind) {
  return {{{PruningKind::unstructured, "unstructured"},
           {PruningKind::structured, "structured"},
           {PruningKind::magnitude, "magnitude"}}};
}

struct Pruning {
  torch::Tensor removed;   ///< [P] bool
  int64_t candidates = 0;  ///< numbers in affine layers: of those a share is removed
  double divergence = 0;   ///< theta_p^T F theta_p / 2, nats an image, p the removed numbers

  int64_t count() const;
};

/// Chooses the numbers of affine layers, their weights and biases, that can be set to 0 at the
/// least cost.  The saliency of a number is what its removal alone costs, in nats an image,
///
///     unstructured  F_ii theta_i^2 / 2              (optimal brain damage: LeCun et al. 1990)
///     structured    theta_r^T F_rr theta_r / 2      of all that makes one output of a layer, a
///                                                   row of W with its bias, per number of it
///     magnitude     |theta_i|                       without F: the baseline
///
/// with the Fisher matrix as the second derivative.  The lowest are removed, up to `share` of all;
/// structured pruning leaves out outputs that no longer fit.  0 < share < 1.
Pruning prune(const Curvature& fisher, const torch::Tensor& theta, PruningKind kind, double share);

}  // namespace halcyon
