#pragma once

#include <torch/types.h>

namespace halcyon {

/// A process that turns images into noise,
///
///     x_t = s(t) (x_0 + sigma(t) n),   n ~ N(0, I),
///
/// for t from time_min(), hardly noisy, to time_max(), hardly more than noise.  Past this class
/// only the noise level sigma of x = x_t / s is spoken.  Immutable.
class NoiseProcess {
 public:
  /// sigma_min and sigma_max are those at time_min and time_max.
  struct Range {
    double time_min, time_max, sigma_min, sigma_max;
  };

  virtual ~NoiseProcess() = default;

  /// sigma(t), increasing; t is clamped to its range.  Any shape; typed and placed as t.
  torch::Tensor sigma(const torch::Tensor& t) const;

  /// The t at which sigma(t) equals `sigma`, clamped: the inverse of sigma().
  torch::Tensor time(const torch::Tensor& sigma) const;

  /// s at noise level `sigma`, shaped and typed as it.
  virtual torch::Tensor scale(const torch::Tensor& sigma) const = 0;

  /// What the networks of the process are told of `sigma`, shaped and typed as it.
  virtual torch::Tensor c_noise(const torch::Tensor& sigma) const = 0;

  /// The noise levels that its training visits: sigma(t) of uniform t, as quantiles u in [0, 1).
  torch::Tensor training_sigma(const torch::Tensor& u) const { return sigma(training_time(u)); }

  double time_min() const { return range_.time_min; }
  double time_max() const { return range_.time_max; }
  double sigma_min() const { return range_.sigma_min; }
  double sigma_max() const { return range_.sigma_max; }

  /// Standard deviation s sigma of the noise in x_t at time_max(): the prior that sampling starts
  /// from is N(0, prior_std^2 I).
  double prior_std() const;

 protected:
  explicit NoiseProcess(const Range& range) : range_(range) {}

 private:
  // float64 in, float64 out; t is within its range.
  virtual torch::Tensor sigma_at(const torch::Tensor& t) const = 0;
  virtual torch::Tensor time_at(const torch::Tensor& sigma) const = 0;
  virtual torch::Tensor training_time(const torch::Tensor& u) const;

  Range range_;
};

}  // namespace halcyon
