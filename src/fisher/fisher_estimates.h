#pragma once

#include <cstdint>

#include "fisher/sample_moments.h"

namespace halcyon {

/// What is known of a denoiser's score s = (D - x) / sigma^2 at one noise level.  J is the
/// location Fisher information E |grad log p(x; sigma)|^2 of the noised data, in 1 / x^2; the
/// Fisher fraction is j = sigma^2 J / d, in [0, 1]: 1 for pure noise, 0 where noise hides nothing.
/// With eps_hat = (x - D) / sigma, the noise that the denoiser sees:
struct FisherEstimates {
  double sigma = 0;
  int64_t dim = 0;
  int64_t probes = 0;  ///< Hutchinson probes a sample; 0: the observed columns are empty

  Estimate eps_mse;             ///< E |n - eps_hat|^2 / d: the share of noise left
  Estimate x0_mse;              ///< E |x_0 - D|^2 / d = sigma^2 eps_mse, in x^2
  Estimate dsm_loss;            ///< E |s + n / sigma|^2 = d eps_mse / sigma^2 (Vincent 2011)
  Estimate ism_loss;            ///< E [|s|^2 + 2 tr grad s] (Hyvarinen 2005)
  Estimate fisher_info_exp;     ///< E |s|^2, the second moment of the score
  Estimate fisher_info_stein;   ///< -E [n . s] / sigma: J_obs without a derivative (Stein 1981)
  Estimate fisher_info_obs;     ///< -E tr grad s, the observed information
  Estimate fisher_info_low;     ///< d / sigma^2 - mse / sigma^4: at most J, whatever the network
  Estimate score_calibration;   ///< J_obs / E|s|^2 (J_stein without probes): 1, or what s lacks
  Estimate virial;              ///< -E [x . s] / d: 1 for a true score
  double observed_count = 0;    ///< n_eff behind the error of fisher_info_obs; 0: not known
  double consistency_z = 0;     ///< (E|s|^2 - J_obs) in standard errors (J_stein without probes)
  double dsm_minus_ism_z = 0;   ///< DSM - ISM - d / sigma^2 in standard errors: a test of the code
  double mean_score_norm = 0;   ///< |mean s|, in 1 / x; E s = 0 for a true score
  double mean_score_ratio = 0;  ///< n |mean s|^2 / E|s|^2: 1 on average where E s = 0
  double mean_score_z = 0;      ///< that ratio less 1, in units of sqrt(2 / participation_ratio)
  double participation_ratio = 0;  ///< (tr F)^2 / tr F^2 of F = E[s s^T], by its U-statistic

  /// fisher_info_* and the rest as a fraction of d / sigma^2, the information of pure noise.
  Estimate fraction(const Estimate& fisher_info) const;
  /// d eps_mse, in nats per e-fold of sigma: an upper bound of -dI(x_0; x) / d ln sigma.
  Estimate info_rate() const;
  /// sigma^2 eps_mse / (1 - eps_mse), in x^2: variance of the isotropic Gaussian with this loss.
  Estimate effective_variance() const;
  /// virial - 1 in standard errors.
  double virial_z() const;
};

/// factor * estimate, with its error.
Estimate scaled(const Estimate& estimate, double factor);

}  // namespace halcyon
