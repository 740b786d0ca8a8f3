#pragma once

#include <torch/types.h>

#include <functional>
#include <vector>

#include "core/denoiser.h"
#include "curvature/parameter_space.h"
#include "curvature/regression.h"
#include "fisher/sample_moments.h"
#include "fisher/tridiagonal.h"

namespace halcyon {

struct ParameterSpectrumOptions {
  int64_t top = 10;    ///< eigenvalues to report
  int64_t steps = 30;  ///< of Lanczos, each a Fisher-vector product
  int64_t probes = 4;  ///< of stochastic Lanczos quadrature, as many steps each
};

/// The spectrum of the Fisher information matrix G [P, P] of a batch, by products alone.
struct ParameterSpectrum {
  std::vector<Estimate> leading;         ///< of G, decreasing; errors over images, vectors held
  std::vector<double> residuals;         ///< |G u - lambda u| of each
  torch::Tensor vectors;                 ///< [k, P], of norm 1
  std::vector<SpectralQuadrature> seen;  ///< the density as each probe sees it
  int64_t parameters = 0;                ///< P
  int64_t rank_bound = 0;                ///< min(P, N d): eigenvalues beyond it are 0

  /// tr f(G), with the error over probes.
  Estimate trace(const std::function<double(double)>& f) const;
  /// tr [G (G + ridge)^-1]: how many parameters the data settle more than a prior of precision
  /// `ridge` does (MacKay 1992).
  Estimate effective_parameters(double ridge) const;
  /// Eigenvalues a decade about `value`, by a normal density of so many decades' width.
  Estimate density(double value, double decades) const;
  /// (tr G)^2 / tr G^2, the number of directions that share the trace.
  Estimate participation_ratio() const;
};

/// steps (1 + probes) products with G and top Jacobian-vector products.
ParameterSpectrum parameter_spectrum(Denoiser& denoiser, const ParameterSpace& space,
                                     const RegressionBatch& batch,
                                     const ParameterSpectrumOptions& options, at::Generator& rng);

}  // namespace halcyon
