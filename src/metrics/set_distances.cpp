#include "metrics/set_distances.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "core/random.h"

namespace halcyon {
namespace {

/// Mean [F] and covariance [F, F] of rows, float64.
std::pair<torch::Tensor, torch::Tensor> moments(const torch::Tensor& rows) {
  const auto x = rows.to(torch::kFloat64);
  const auto mean = x.mean(0);
  const auto centred = x - mean;
  return {mean, centred.t().mm(centred) / static_cast<double>(x.size(0) - 1)};
}

torch::Tensor square_root(const torch::Tensor& symmetric) {
  const auto [values, vectors] = torch::linalg_eigh(symmetric);
  return (vectors * values.clamp_min(0).sqrt()).mm(vectors.t());
}

/// One convolution of random weights, their scale such that the variance stays.
torch::Tensor random_convolution(const torch::Tensor& x, int64_t out, int64_t size, int64_t stride,
                                 int64_t layer) {
  auto rng = make_generator(/*seed=*/0, "random features", layer);
  const auto in = x.size(1);
  const double scale = std::sqrt(2.0 / static_cast<double>(in * size * size));
  const auto weight = (scale * torch::randn({out, in, size, size}, rng)).to(x.device());
  return torch::leaky_relu(torch::conv2d(x, weight, {}, stride, size / 2), 0.2);
}

}  // namespace

double sliced_wasserstein(const torch::Tensor& a, const torch::Tensor& b, int64_t projections,
                          at::Generator rng) {
  const int64_t count = std::min(a.size(0), b.size(0));
  const int64_t dim = a[0].numel();
  TORCH_CHECK(b[0].numel() == dim, "sliced_wasserstein: ", a.sizes(), " and ", b.sizes());
  constexpr int64_t kAtOnce = 64;
  double sum = 0;
  for (int64_t done = 0; done < projections; done += kAtOnce) {
    const int64_t now = std::min(kAtOnce, projections - done);
    auto u = torch::randn({dim, now}, rng);
    u = (u / u.norm(2, 0, /*keepdim=*/true)).to(a.device());
    const auto sorted = [&](const torch::Tensor& set) {
      const auto rows = set.slice(0, 0, count).flatten(1).to(torch::kFloat32);
      return std::get<0>(rows.mm(u).t().contiguous().sort(1));
    };
    sum += (sorted(a) - sorted(b)).square().mean(1).sum().item<double>();
  }
  return std::sqrt(sum / static_cast<double>(projections));
}

double frechet_distance(const torch::Tensor& a, const torch::Tensor& b) {
  const auto [mean_a, cov_a] = moments(a);
  const auto [mean_b, cov_b] = moments(b);
  // tr (C_a C_b)^(1/2) by a symmetric matrix of the same eigenvalues.
  const auto root = square_root(cov_a);
  const auto product = root.mm(cov_b).mm(root);
  const auto cross =
      torch::linalg_eigvalsh(0.5 * (product + product.t())).clamp_min(0).sqrt().sum();
  const auto squared = (mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross;
  return squared.item<double>();
}

torch::Tensor random_features(const torch::Tensor& images) {
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> parts;
  for (const auto& part : images.to(torch::kFloat32).split(256)) {
    auto h = part;
    std::vector<torch::Tensor> pooled;
    int64_t layer = 0;
    for (const int64_t channels : {32, 64, 128}) {
      h = random_convolution(h, channels, layer == 0 ? 5 : 3, 2, layer);
      ++layer;
      const auto pixels = h.flatten(2);
      pooled.push_back(pixels.mean(2));
      pooled.push_back(pixels.std(2, /*unbiased=*/false));
    }
    parts.push_back(torch::cat(pooled, 1));
  }
  return torch::cat(parts);
}

Distance with_bootstrap_error(
    const std::function<double(const torch::Tensor&, const torch::Tensor&)>& distance,
    const torch::Tensor& a, const torch::Tensor& b, int64_t times, at::Generator rng) {
  const auto resampled = [&](const torch::Tensor& set) {
    const auto index = torch::randint(set.size(0), {set.size(0)}, rng, torch::kInt64);
    return set.index_select(0, index.to(set.device()));
  };
  double sum = 0;
  double square = 0;
  for (int64_t k = 0; k < times; ++k) {
    const double value = distance(resampled(a), resampled(b));
    sum += value;
    square += value * value;
  }
  const auto n = static_cast<double>(times);
  const double variance = (square - sum * sum / n) / (n - 1);
  return {distance(a, b), std::sqrt(std::max(variance, 0.0))};
}

}  // namespace halcyon
