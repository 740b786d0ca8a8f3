#pragma once

#include <torch/types.h>

#include <array>
#include <utility>
#include <vector>

#include "core/device_constant.h"
#include "core/noise_process.h"

namespace halcyon {

enum class BetaSchedule { linear, scaled_linear, cosine, sigmoid, listed };

inline constexpr std::array<std::pair<BetaSchedule, const char*>, 5> enum_names(BetaSchedule) {
  return {{{BetaSchedule::linear, "linear"},
           {BetaSchedule::scaled_linear, "scaled_linear"},
           {BetaSchedule::cosine, "cosine"},
           {BetaSchedule::sigmoid, "sigmoid"},
           {BetaSchedule::listed, "listed"}}};
}

/// Constants of the discrete variance-preserving process; defaults: Ho et al. 2020, section 4.
struct VpScheduleOptions {
  BetaSchedule beta = BetaSchedule::linear;
  int64_t timesteps = 1000;
  double beta_start = 1e-4;
  double beta_end = 0.02;
  std::vector<double> betas = {};
  bool zero_terminal_snr = false;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.beta, "beta", "noise schedule of the discrete VP process");
    field(self.timesteps, "timesteps", "number of steps T of the process, > 1");
    field(self.beta_start, "beta_start", "beta of the first step (not cosine, listed), in (0, 1)");
    field(self.beta_end, "beta_end", "beta of the last step (not cosine, listed), in (0, 1)");
    field(self.betas, "betas", "beta of every step, each in (0, 1) (listed)");
    field(self.zero_terminal_snr, "zero_terminal_snr",
          "rescale the discrete VP process so that it ends in noise alone");
  }
};

/// @throws ConfigError unless timesteps in 2 .. 1000000 and 0 < beta_start <= beta_end < 1, and
/// there are betas where they are to be listed, one a timestep, and only there.
void check_options(const VpScheduleOptions& options);

/// The discrete variance-preserving process of DDPM, for t = 0 .. T - 1:
///
///     x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps,   alpha_bar_t = prod_s (1 - beta_s)
///
///     linear         beta evenly spaced from beta_start to beta_end (Ho et al. 2020)
///     scaled_linear  sqrt(beta) evenly spaced (Rombach et al. 2022)
///     cosine         alpha_bar a squared cosine (Nichol and Dhariwal 2021, eq. 17)
///     sigmoid        beta_start + (beta_end - beta_start) / (1 + e^-z), z evenly from -6 to 6
///     listed         the betas given
///
/// With zero_terminal_snr, sqrt(alpha_bar) is shifted and scaled so that its first value stays and
/// its last would be 0 (Lin et al. 2024).  There sigma = sqrt(1 / alpha_bar - 1) would be infinite:
/// the last alpha_bar is held at 2^-24, the least number of half precision, or at a quarter of the
/// one before where that is less, so that sigma increases and the signal is lost all the same.
///
/// sigma(t) takes real t in [0, T - 1]; ln sigma is linear between whole t.  Networks are told t.
class VpSchedule final : public NoiseProcess {
 public:
  /// @throws ConfigError as check_options().
  explicit VpSchedule(const VpScheduleOptions& options);

  /// alpha_bar_t for t = 0 .. T - 1, decreasing.
  const std::vector<double>& alpha_bar() const { return alpha_bar_; }

  torch::Tensor scale(const torch::Tensor& sigma) const override;
  torch::Tensor c_noise(const torch::Tensor& sigma) const override { return time(sigma); }

 private:
  torch::Tensor sigma_at(const torch::Tensor& t) const override;
  torch::Tensor time_at(const torch::Tensor& sigma) const override;
  /// Whole t, each as often.
  torch::Tensor training_time(const torch::Tensor& u) const override;

  std::vector<double> alpha_bar_;
  DeviceConstant log_sigma_;  // [T] float64, increasing
};

}  // namespace halcyon
