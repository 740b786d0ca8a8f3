#pragma once

#include <cstdint>

#include "curvature/curvature_fit.h"
#include "fisher/regression_bands.h"

namespace halcyon {

/// How the Fisher information of a network's parameters is measured.
struct ParameterFisherOptions {
  ParameterWeighting weighting = ParameterWeighting::train;
  int64_t bands = 6;
  int64_t draws = 32;
  int64_t products = 8;
  int64_t batch = 64;
  int64_t images = 32;
  int64_t top = 10;
  int64_t steps = 24;
  int64_t probes = 4;
  double ridge = 1e-2;
  CurvatureKind curvature = CurvatureKind::ekfac;
  WeightSharing sharing = WeightSharing::expand;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.weighting, "weighting",
          "of noise levels: train, as in the loss, or likelihood, as in the path of the sampler");
    field(self.bands, "bands", "bands of noise levels, of equal share each, > 0");
    field(self.draws, "draws", "gradients of sampled targets a band, >= 2");
    field(self.products, "products", "Fisher-vector products a band, for the same trace, >= 2");
    field(self.batch, "batch", "images of such a draw, > 0");
    field(self.images, "images",
          "images a band for the empirical information, spectrum and steps, >= 16");
    field(self.top, "top", "leading eigenvalues, > 0");
    field(self.steps, "steps", "of Lanczos, more than top");
    field(self.probes, "probes", "of the spectral density, >= 2");
    field(self.ridge, "ridge",
          "share of the largest eigenvalue against which effective parameters are counted, in "
          "[1 / steps^2, 1]: below, Lanczos does not tell eigenvalues from 0");
    field(self.curvature, "curvature",
          "blocks of the matrix that are kept: diagonal, kfac, ekfac, or exact (small layers)");
    field(self.sharing, "sharing", kSharingHelp);
  }
};

/// @throws ConfigError naming the key unless every option is in its range.
void check_options(const ParameterFisherOptions& options);

}  // namespace halcyon
