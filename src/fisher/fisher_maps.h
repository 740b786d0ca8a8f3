#pragma once

#include <torch/types.h>

#include <vector>

#include "core/denoiser.h"

namespace halcyon {

/// A number for every pixel of every image, with its error.
struct MapEstimate {
  torch::Tensor value;           ///< [N, C, H, W] float64 on the CPU; undefined: not measured
  torch::Tensor standard_error;  ///< shaped as value; NaN where count < 2
  int64_t count = 0;             ///< independent draws behind each number
};

/// Running mean of maps over independent draws, pixel by pixel in float64.
class MapMoments {
 public:
  /// sample: [N, C, H, W], the same shape every time.
  void add(const torch::Tensor& sample);
  MapEstimate estimate() const;

 private:
  int64_t count_ = 0;
  torch::Tensor mean_;
  torch::Tensor squares_;  // sum of (sample - mean)^2
};

/// Where in an image the information is, at one noise level.  With eps_hat = (x - D) / sigma, the
/// Jacobian A = grad_x D and means E over the noise of a fixed image:
struct FisherMaps {
  double sigma = 0;
  /// E eps_hat_i^2 = sigma^2 E s_i^2: 1 where the context tells noise from image, 0 where it
  /// cannot.  Its mean over images is sigma^2 F_ii, F = E[s s^T].
  MapEstimate fisher;
  /// -sigma^2 E (grad s)_ii = 1 - E A_ii: the same in the mean over images for a true score (the
  /// information-matrix equality), and far less noisy for a single one.
  MapEstimate fisher_obs;
  /// E (x_0,i - D_i)^2, in x^2; in the mean over images sigma^2 - sigma^4 F_ii, the mmse.
  MapEstimate error;
  /// sigma^2 E A_ii, the variance that the denoiser expects of x_0,i given x, in x^2: for a true
  /// denoiser the error in the mean over images (Meng et al. 2021).
  MapEstimate posterior_variance;
  /// E (A^T A)_ii: how far the denoised image moves, squared, with input pixel i.  It is
  /// tau^2 times the Fisher information of N(D(x), tau^2 I) about x_i.
  MapEstimate sensitivity;
  /// E sigma^2 (s_i(x | c) - s_i(x))^2 = E (D_i(x | c) - D_i(x))^2 / sigma^2: nats of class
  /// information in pixel i per e-fold of sigma.  Undefined without a conditional denoiser.
  MapEstimate class_map;
};

/// Accumulates the maps of a panel of images at one noise level: construct, add draws, read.
class FisherMapLevel {
 public:
  /// Maps are sums over patches of `patch` x `patch` pixels, with the errors of the sums.
  explicit FisherMapLevel(double sigma, int64_t patch = 1);

  /// Denoises x0 + sigma noise, both [N, C, H, W], and adds a draw to each map.  `conditional`, if
  /// any, knows the class of each image.  1 NFE (2 with classes) and a vector-Jacobian product
  /// with a Rademacher probe from `rng` (Hutchinson 1990).
  void add(Denoiser& denoiser, const torch::Tensor& x0, const torch::Tensor& noise,
           at::Generator& rng, Denoiser* conditional = nullptr);

  FisherMaps maps() const;

 private:
  double sigma_;
  int64_t patch_;
  MapMoments fisher_, observed_, error_, posterior_, sensitivity_, class_;
};

/// The maps after `draws` draws for the images x0 [N, C, H, W], noise and probes from `rng`.
FisherMaps measure_maps(Denoiser& denoiser, const torch::Tensor& x0, double sigma, int64_t draws,
                        at::Generator& rng, Denoiser* conditional = nullptr);

/// Each pixel's share of -ln p(x_0), in nats, between the lowest and the highest level:
///
///     1/2 int e_i d(1 / sigma^2) = int e_i / sigma^2 d ln sigma,   e_i = E (x_0,i - D_i)^2
///
/// (Kong et al. 2023).  Summed over pixels, and in the mean over images, it is the information
/// about x_0 that the noise takes between the two (Guo, Shamai and Verdu 2005).  Trapezoidal in
/// ln sigma; the levels must rise and be measured with independent noise.
MapEstimate nll_map(const std::vector<FisherMaps>& levels);

/// Each pixel's share of the information about the class, int class_map d ln sigma, in nats; its
/// sum in the mean over images is I(c; x) at the lowest level less that at the highest.
MapEstimate class_information_map(const std::vector<FisherMaps>& levels);

/// Mean over the images, [1, C, H, W], with the error of their spread: of independent images with
/// one or more draws each an estimate for the whole population.
MapEstimate mean_over_images(const MapEstimate& map);

/// Sums over patches of `patch` x `patch` pixels, smaller at the right and lower edges.
/// map: [N, C, H, W]; result: [N, C, ceil(H / patch), ceil(W / patch)].
torch::Tensor region_sum(const torch::Tensor& map, int64_t patch);

}  // namespace halcyon
