#pragma once

#include <torch/types.h>

#include <array>
#include <functional>
#include <utility>

#include "core/denoiser.h"
#include "curvature/curvature.h"
#include "curvature/fisher_targets.h"
#include "curvature/kronecker_factors.h"
#include "curvature/regression.h"

namespace halcyon {

enum class CurvatureKind { diagonal, kfac, ekfac, exact };

inline constexpr std::array<std::pair<CurvatureKind, const char*>, 4> enum_names(CurvatureKind) {
  return {{{CurvatureKind::diagonal, "diagonal"},
           {CurvatureKind::kfac, "kfac"},
           {CurvatureKind::ekfac, "ekfac"},
           {CurvatureKind::exact, "exact"}}};
}

struct CurvatureOptions {
  CurvatureKind kind = CurvatureKind::ekfac;
  WeightSharing sharing = WeightSharing::expand;
  FisherTargets targets = FisherTargets::sampled;
  int64_t exact_limit = 1024;  ///< exact: parameters of a layer at most; larger ones by EKFAC
};

/// Fits the blocks of the Fisher matrix F = E J^T J over `batches` batches, batch(i) the i-th:
///
///     diagonal  diag F
///     kfac      B (x) A a layer
///     ekfac     in the eigenvectors of B (x) A, with measured eigenvalues
///     exact     F itself a layer
///
/// A block is the parameters of an affine layer.  Tensors of no such layer (norms, tables of
/// classes) have their diagonal in kfac and ekfac.  Goes over the batches twice, with targets of
/// their own, for ekfac and exact.
Curvature fit_curvature(Denoiser& denoiser, const ParameterSpace& space,
                        const CurvatureOptions& options,
                        const std::function<RegressionBatch(int64_t)>& batch, int64_t batches,
                        at::Generator& rng);

/// The blocks that a Curvature of the network seen has, without eigenvectors and eigenvalues: its
/// affine layers in the order seen, then each other tensor.
std::vector<CurvatureBlock> curvature_blocks(const TappedBatch& batch, const ParameterSpace& space);

}  // namespace halcyon
