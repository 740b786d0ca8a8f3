#include "samplers/convergence.h"

#include <cmath>

#include "core/noise_grid.h"
#include "core/runge_kutta.h"
#include "core/torch.h"

namespace halcyon {
namespace {

constexpr double kSigmaMax = 80;
constexpr double kSigmaMin = 0.05;
constexpr int64_t kDraws = 64;
constexpr int64_t kDim = 3;

torch::Tensor starts() {
  NoiseSource noise(/*seed=*/7, /*first=*/0, kDraws);
  return kSigmaMax * noise.normal_like(torch::empty({kDraws, kDim}, torch::kFloat64));
}

}  // namespace

KnownFlow gaussian_flow() {
  const auto x = starts();
  const GaussianMixture law(torch::ones({1}), torch::ones({1, kDim}), torch::full({kDim}, 0.25));
  const auto y = 1 + (x - 1) * std::hypot(0.5, kSigmaMin) / std::hypot(0.5, kSigmaMax);
  return {law, kSigmaMax, kSigmaMin, x, y};
}

KnownFlow mixture_flow() {
  const auto u = torch::ones({1, kDim});
  GaussianMixture law(torch::full({2}, 0.5), torch::cat({-u, u}), torch::full({kDim}, 0.25));
  const auto slope = [&](double log_sigma, const torch::Tensor& x) {
    return x - denoise_at(law, x, std::exp(log_sigma));
  };
  const auto x = starts();
  const auto y = integrate_dopri5(slope, x, std::log(kSigmaMax), std::log(kSigmaMin), 1e-12);
  return {law, kSigmaMax, kSigmaMin, x, y};
}

FlowError flow_error(const Sampler& sampler, KnownFlow& flow, int64_t steps) {
  auto sigmas = karras_grid(flow.sigma_min, flow.sigma_max, steps + 1, /*rho=*/7);
  sigmas.pop_back();  // the 0 it ends with
  NoiseSource noise(/*seed=*/1, /*first=*/0, flow.x.size(0));
  CountingDenoiser counted(flow.law);
  const auto y = sampler.sample(counted, flow.x, sigmas, noise);
  return {(y - flow.y).square().mean().sqrt().item<double>(), static_cast<double>(counted.nfe())};
}

double convergence_order(const Sampler& sampler, KnownFlow& flow) {
  return std::log2(flow_error(sampler, flow, 512).error / flow_error(sampler, flow, 1024).error);
}

}  // namespace halcyon
