#include "core/continuous_processes.h"

#include <cmath>

#include "core/torch.h"

namespace halcyon {

VeProcess::VeProcess(double sigma_min, double sigma_max)
    : NoiseProcess({0, 1, sigma_min, sigma_max}) {}

torch::Tensor VeProcess::scale(const torch::Tensor& sigma) const { return torch::ones_like(sigma); }

torch::Tensor VeProcess::c_noise(const torch::Tensor& sigma) const { return (sigma / 2).log(); }

torch::Tensor VeProcess::sigma_at(const torch::Tensor& t) const {
  return sigma_min() * (t * std::log(sigma_max() / sigma_min())).exp();
}

torch::Tensor VeProcess::time_at(const torch::Tensor& sigma) const {
  return (sigma / sigma_min()).log() / std::log(sigma_max() / sigma_min());
}

EdmProcess::EdmProcess(double sigma_min, double sigma_max)
    : NoiseProcess({sigma_min, sigma_max, sigma_min, sigma_max}) {}

torch::Tensor EdmProcess::scale(const torch::Tensor& sigma) const {
  return torch::ones_like(sigma);
}

torch::Tensor EdmProcess::c_noise(const torch::Tensor& sigma) const { return sigma.log() / 4; }

FlowProcess::FlowProcess(const VpScheduleOptions& vp)
    : NoiseProcess(
          {1.0 / static_cast<double>(vp.timesteps), 1 - 1.0 / static_cast<double>(vp.timesteps),
           1.0 / static_cast<double>(vp.timesteps - 1), static_cast<double>(vp.timesteps - 1)}),
      timesteps_(static_cast<double>(vp.timesteps)) {}

torch::Tensor FlowProcess::scale(const torch::Tensor& sigma) const {
  return (1 + sigma).reciprocal();
}

torch::Tensor FlowProcess::c_noise(const torch::Tensor& sigma) const {
  return timesteps_ * time(sigma);
}

torch::Tensor FlowProcess::sigma_at(const torch::Tensor& t) const { return t / (1 - t); }

torch::Tensor FlowProcess::time_at(const torch::Tensor& sigma) const { return sigma / (1 + sigma); }

SdeProcess::SdeProcess(SdeNoise noise, const VpScheduleOptions& vp)
    : SdeProcess(noise,
                 Beta{static_cast<double>(vp.timesteps) * vp.beta_start,
                      static_cast<double>(vp.timesteps) * (vp.beta_end - vp.beta_start)},
                 static_cast<double>(vp.timesteps)) {}

SdeProcess::SdeProcess(SdeNoise noise, Beta beta, double timesteps)
    : NoiseProcess(
          {1 / timesteps, 1, sigma_of(noise, beta, 1 / timesteps), sigma_of(noise, beta, 1.0)}),
      noise_(noise),
      beta_(beta),
      timesteps_(timesteps) {}

torch::Tensor SdeProcess::sigma_of(SdeNoise noise, Beta beta, const torch::Tensor& t) {
  const auto twice_l = beta.min * t + 0.5 * beta.slope * t.square();  // the integral of beta
  return noise == SdeNoise::preserving ? twice_l.expm1().sqrt() : 2 * (twice_l / 2).sinh();
}

double SdeProcess::sigma_of(SdeNoise noise, Beta beta, double t) {
  return sigma_of(noise, beta, torch::tensor(t, torch::kFloat64)).item<double>();
}

torch::Tensor SdeProcess::scale(const torch::Tensor& sigma) const {
  const auto square = sigma.square();
  return noise_ == SdeNoise::preserving ? (1 + square).rsqrt()
                                        : ((1 + square / 4).sqrt() + sigma / 2).reciprocal();
}

torch::Tensor SdeProcess::c_noise(const torch::Tensor& sigma) const {
  return (timesteps_ - 1) * time(sigma);
}

torch::Tensor SdeProcess::sigma_at(const torch::Tensor& t) const {
  return sigma_of(noise_, beta_, t);
}

torch::Tensor SdeProcess::time_at(const torch::Tensor& sigma) const {
  const auto twice_l =
      noise_ == SdeNoise::preserving ? sigma.square().log1p() : 2 * (sigma / 2).asinh();
  // The root of slope / 2 t^2 + min t = twice_l, without cancellation.
  return 2 * twice_l / (beta_.min + (beta_.min * beta_.min + 2 * beta_.slope * twice_l).sqrt());
}

}  // namespace halcyon
