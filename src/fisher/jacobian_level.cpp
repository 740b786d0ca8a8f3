#include "fisher/jacobian_level.h"

#include <algorithm>
#include <cmath>

#include "core/torch.h"
#include "fisher/denoiser_jacobian.h"
#include "fisher/lanczos.h"

namespace halcyon {
namespace {

enum Variable : int64_t {
  kDifference2,  // |A v - A^T v|^2
  kProduct2,     // (|A v|^2 + |A^T v|^2) / 2
  kTrace,        // tr A by all probes
  kVariables
};

torch::Tensor inner_product(const torch::Tensor& a, const torch::Tensor& b) {
  return (a * b).flatten(1).sum(1, /*keepdim=*/false, torch::kFloat64).cpu();
}

torch::Tensor levels(const torch::Tensor& x, double sigma) {
  return torch::full({x.size(0)}, sigma, x.options());
}

Estimate mean_of(const torch::Tensor& values) {
  SampleMoments moments(1);
  moments.add(values.unsqueeze(1));
  return moments.mean(0);
}

/// first, second, realised as columns; the order of `first` makes the bins.
std::vector<ReliabilityBin> reliability_bins(const torch::Tensor& errors, int64_t bins) {
  const auto sorted = errors.index_select(0, errors.select(1, 0).argsort());
  const int64_t count = sorted.size(0);
  bins = std::clamp<int64_t>(bins, 1, count / 2);
  std::vector<ReliabilityBin> out;
  for (int64_t b = 0; b < bins; ++b) {
    const auto begin = b * count / bins, end = (b + 1) * count / bins;
    const auto bin = sorted.narrow(0, begin, end - begin);
    out.push_back({mean_of(bin.select(1, 1)), mean_of(bin.select(1, 2))});
  }
  return out;
}

}  // namespace

JacobianLevel::JacobianLevel(double sigma, int64_t probes)
    : sigma_(sigma), probes_(probes), moments_(kVariables) {
  TORCH_CHECK(probes >= 2 && probes % 2 == 0, "JacobianLevel: want an even number of probes, got ",
              probes);
}

void JacobianLevel::add(Denoiser& denoiser, const torch::Tensor& x0, const torch::Tensor& noise,
                        at::Generator& rng) {
  const auto x = x0 + sigma_ * noise;
  const DenoiserJacobian at(denoiser, x, levels(x, sigma_));
  torch::Tensor difference2, product2;
  auto halves = torch::zeros({2, x.size(0)}, torch::kFloat64);
  for (int64_t k = 0; k < probes_; ++k) {
    const auto v = rademacher_like(x, rng);
    const auto reverse = at.vjp(v);
    halves[k % 2] += inner_product(reverse, v) * (2.0 / static_cast<double>(probes_));
    if (k > 0) continue;
    const auto forward = denoiser_jvp(denoiser, x, levels(x, sigma_), v);
    const auto difference = forward - reverse;
    difference2 = inner_product(difference, difference);
    product2 = (inner_product(forward, forward) + inner_product(reverse, reverse)) / 2;
  }
  moments_.add(torch::stack({difference2, product2, halves.mean(0)}, 1));
  const auto error = at.denoised() - x0;
  const double variance = sigma_ * sigma_;
  errors_.push_back(
      torch::stack({variance * halves[0], variance * halves[1], inner_product(error, error)}, 1));
}

JacobianEstimates JacobianLevel::estimates(int64_t bins) const {
  TORCH_CHECK(moments_.count() > 1, "JacobianLevel: want at least 2 samples");
  const auto errors = torch::cat(errors_);
  JacobianEstimates out;
  out.sigma = sigma_;
  out.asymmetry = moments_.ratio({1, 0, 0}, {0, 4, 0});
  out.frobenius = moments_.mean(kProduct2);
  out.trace = moments_.mean(kTrace);
  out.tweedie_slope =
      instrumented_slope(errors.select(1, 0), errors.select(1, 1), errors.select(1, 2));
  out.reliability = reliability_bins(errors, bins);
  return out;
}

Estimate JacobianLevel::trace_after(double step) const {
  return moments_.combination({0, step, 1 - step});
}

Estimate instrumented_slope(const torch::Tensor& first, const torch::Tensor& second,
                            const torch::Tensor& realised) {
  const auto p = first - first.mean();
  const auto q = second - second.mean();
  const auto above = (realised - realised.mean()) * (p + q) / 2;
  SampleMoments moments(2);
  moments.add(torch::stack({above, p * q}, 1));
  return moments.ratio({1, 0}, {0, 1});
}

double smallest_ritz_value(Denoiser& denoiser, const torch::Tensor& x, double sigma, int64_t steps,
                           at::Generator& rng) {
  const DenoiserJacobian at(denoiser, x, levels(x, sigma));
  // The Jacobians of all samples as one block-diagonal operator: it has all their eigenvalues.
  const auto multiply = [&](const torch::Tensor& flat) {
    const auto v = flat.view(x.sizes()).to(x.device(), x.scalar_type());
    return ((at.vjp(v) + at.jvp(v)) / 2).flatten().to(torch::kCPU, torch::kFloat64);
  };
  const auto start = torch::randn({x.numel()}, rng, torch::kFloat64);
  return lanczos(multiply, start, steps, rng).values[-1].item<double>();
}

}  // namespace halcyon
