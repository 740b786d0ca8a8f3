#pragma once

#include <torch/types.h>

#include <array>
#include <utility>

#include "core/denoising_loss.h"
#include "curvature/regression.h"

namespace halcyon {

/// Which likelihood of a denoiser the Fisher information of its parameters belongs to.
enum class ParameterWeighting { train, likelihood };

inline constexpr std::array<std::pair<ParameterWeighting, const char*>, 2> enum_names(
    ParameterWeighting) {
  return {{{ParameterWeighting::train, "train"}, {ParameterWeighting::likelihood, "likelihood"}}};
}

/// Noise levels in bands of equal share, rising, with the spread tau of the regression at each:
///
///     train       sigma as it is drawn in training; 1 / tau^2 = 2 w(sigma), w the weight of the
///                 squared error |D - x_0|^2 in the loss
///     likelihood  ln sigma uniform over [sigma_min, sigma_max]; 1 / tau^2 = 2 L / sigma^2 with
///                 L = ln(sigma_max / sigma_min).  A change of D then costs
///                 E |dD|^2 / (2 tau^2) = int E |d score|^2 sigma dsigma, the divergence between
///                 the paths of the two reverse SDEs (Girsanov; Song et al. 2021)
///
/// so that the mean over bands is the Fisher information of the whole.
class RegressionBands {
 public:
  RegressionBands(const DenoisingScoreMatching& objective, ParameterWeighting weighting,
                  double sigma_min, double sigma_max, int64_t bands);

  int64_t count() const { return bands_; }
  /// The ends of band k; those of a distribution without ends are its 1e-9 quantiles.
  std::pair<double, double> range(int64_t k) const;

  /// Clean images x0 [B, ...] with noise at B levels spread evenly over band k.
  RegressionBatch draw(int64_t k, const torch::Tensor& x0, at::Generator& rng) const;

 private:
  torch::Tensor sigma_at(const torch::Tensor& u, const torch::Tensor& like) const;
  torch::Tensor tau_at(const torch::Tensor& sigma) const;

  const DenoisingScoreMatching& objective_;
  ParameterWeighting weighting_;
  double sigma_min_, sigma_max_;
  int64_t bands_;
};

}  // namespace halcyon
