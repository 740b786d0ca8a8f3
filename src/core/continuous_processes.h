#pragma once

#include "core/noise_process.h"
#include "core/noise_schedule.h"

namespace halcyon {

/// x_t = x_0 + sigma(t) n with sigma(t) = sigma_min (sigma_max / sigma_min)^t, t in [0, 1]: the
/// variance-exploding process of Song et al. 2021.  Networks are told ln(sigma / 2) (Karras et al.
/// 2022, Table 1): their ln sigma, for images in [0, 1] where ours are in [-1, 1].
class VeProcess final : public NoiseProcess {
 public:
  /// Wants 0 < sigma_min < sigma_max.
  VeProcess(double sigma_min, double sigma_max);

  torch::Tensor scale(const torch::Tensor& sigma) const override;
  torch::Tensor c_noise(const torch::Tensor& sigma) const override;

 private:
  torch::Tensor sigma_at(const torch::Tensor& t) const override;
  torch::Tensor time_at(const torch::Tensor& sigma) const override;
};

/// x_t = x_0 + t n: sigma(t) = t (Karras et al. 2022).  Networks are told ln(sigma) / 4.
class EdmProcess final : public NoiseProcess {
 public:
  /// Wants 0 < sigma_min < sigma_max.
  EdmProcess(double sigma_min, double sigma_max);

  torch::Tensor scale(const torch::Tensor& sigma) const override;
  torch::Tensor c_noise(const torch::Tensor& sigma) const override;

 private:
  torch::Tensor sigma_at(const torch::Tensor& t) const override { return t; }
  torch::Tensor time_at(const torch::Tensor& sigma) const override { return sigma; }
};

/// x_t = (1 - t) x_0 + t n: rectified flow, so that sigma(t) = t / (1 - t) and s = 1 - t.  T = vp's
/// timesteps: networks are told T t, and t stays 1 / T away from 0 and from 1, where sigma is
/// infinite.
class FlowProcess final : public NoiseProcess {
 public:
  explicit FlowProcess(const VpScheduleOptions& vp);

  torch::Tensor scale(const torch::Tensor& sigma) const override;
  torch::Tensor c_noise(const torch::Tensor& sigma) const override;

 private:
  torch::Tensor sigma_at(const torch::Tensor& t) const override;
  torch::Tensor time_at(const torch::Tensor& sigma) const override;

  double timesteps_;
};

enum class SdeNoise {
  preserving,    ///< standard deviation sqrt(1 - alpha^2): the VP SDE
  subpreserving  ///< 1 - alpha^2: the sub-VP SDE
};

/// The VP and the sub-VP SDE of Song et al. 2021:
///
///     x_t = alpha x_0 + (noise) n,   alpha = exp(-1/2 int_0^t beta),
///
/// beta linear in t in [0, 1], from T beta_start to T beta_end of vp's options, 0.1 and 20 by
/// default.  With L = -ln alpha, sigma is sqrt(e^(2 L) - 1) or 2 sinh L.  Networks are told
/// (T - 1) t.  Starts at t = 1 / T, as sampling does there.
class SdeProcess final : public NoiseProcess {
 public:
  /// Reads timesteps, beta_start and beta_end.  @throws ConfigError as VpSchedule.
  SdeProcess(SdeNoise noise, const VpScheduleOptions& vp);

  torch::Tensor scale(const torch::Tensor& sigma) const override;
  torch::Tensor c_noise(const torch::Tensor& sigma) const override;

 private:
  struct Beta {
    double min, slope;
  };
  SdeProcess(SdeNoise noise, Beta beta, double timesteps);

  static torch::Tensor sigma_of(SdeNoise noise, Beta beta, const torch::Tensor& t);
  static double sigma_of(SdeNoise noise, Beta beta, double t);
  torch::Tensor sigma_at(const torch::Tensor& t) const override;
  torch::Tensor time_at(const torch::Tensor& sigma) const override;

  SdeNoise noise_;
  Beta beta_;
  double timesteps_;
};

}  // namespace halcyon
