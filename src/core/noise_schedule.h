#pragma once

#include <torch/types.h>

#include <array>
#include <utility>
#include <vector>

namespace halcyon {

enum class BetaSchedule { linear, cosine };

inline constexpr std::array<std::pair<BetaSchedule, const char*>, 2> enum_names(BetaSchedule) {
  return {{{BetaSchedule::linear, "linear"}, {BetaSchedule::cosine, "cosine"}}};
}

/// Constants of the discrete variance-preserving process; defaults: Ho et al. 2020, section 4.
struct VpScheduleOptions {
  BetaSchedule beta = BetaSchedule::linear;
  int64_t timesteps = 1000;
  double beta_start = 1e-4;
  double beta_end = 0.02;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.beta, "beta", "noise schedule of the discrete VP process");
    field(self.timesteps, "timesteps", "number of steps T of the process, > 1");
    field(self.beta_start, "beta_start", "beta of the first step (linear), in (0, 1)");
    field(self.beta_end, "beta_end", "beta of the last step (linear), in (0, 1)");
  }
};

/// The discrete variance-preserving process of DDPM, for t = 0 .. T - 1:
///
///     x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps,   alpha_bar_t = prod_s (1 - beta_s)
///
/// with beta linear in t (Ho et al. 2020) or alpha_bar a squared cosine (Nichol and Dhariwal 2021,
/// eq. 17).  Past this class only the noise level sigma_t = sqrt(1 / alpha_bar_t - 1) is spoken:
/// the noise-to-signal ratio of x_t, the noise level of x_t / sqrt(alpha_bar_t).
class VpSchedule {
 public:
  /// @throws ConfigError unless timesteps > 1 and 0 < beta_start <= beta_end < 1.
  explicit VpSchedule(const VpScheduleOptions& options);

  /// alpha_bar_t for t = 0 .. T - 1, decreasing.
  const std::vector<double>& alpha_bar() const { return alpha_bar_; }

  double sigma_min() const;
  double sigma_max() const;

  /// sigma(t) for real t in [0, T - 1], any shape; ln sigma is linear between whole t.
  torch::Tensor sigma(const torch::Tensor& t) const;

  /// The t in [0, T - 1] at which sigma(t) equals `sigma`: the inverse of sigma(), clamped.
  torch::Tensor time(const torch::Tensor& sigma) const;

 private:
  std::vector<double> alpha_bar_;
  torch::Tensor log_sigma_;  // [T] float64, increasing
};

}  // namespace halcyon
