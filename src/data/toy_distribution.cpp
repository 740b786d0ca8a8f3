#include "data/toy_distribution.h"

#include <cmath>
#include <numbers>

#include "core/random.h"
#include "core/registry.h"
#include "core/torch.h"

namespace halcyon {
namespace {

constexpr std::string_view kPrefix = "toy:";
constexpr int64_t kDefaultCount = 50000;

GaussianMixture gaussian() {
  return {torch::ones({1}), torch::full({1, 4}, 0.3, torch::kFloat64),
          torch::tensor({1.0, 0.25, 0.0625, 0.01}, torch::kFloat64)};
}

GaussianMixture mixture() {
  const auto mean = torch::full({16}, 2.0 / std::sqrt(16.0), torch::kFloat64);  // |mean| = 2
  return {torch::full({2}, 0.5), torch::stack({-mean, mean}), torch::full({16}, 0.25)};
}

/// The orthonormal DCT-II of eight points: [frequency, point].
torch::Tensor dct() {
  const auto point = torch::arange(8, torch::kFloat64) + 0.5;
  const auto frequency = torch::arange(8, torch::kFloat64).unsqueeze(1);
  const auto rows = (std::numbers::pi / 8 * frequency * point).cos() * std::sqrt(2.0 / 8);
  return torch::cat({rows.narrow(0, 0, 1) / std::numbers::sqrt2, rows.narrow(0, 1, 7)});
}

GaussianMixture lowrank() {
  const auto basis = torch::kron(dct(), dct()).t();  // column 8 u + v: row and column frequency
  const auto variances = torch::zeros({64}, torch::kFloat64);
  variances[0] = 16.0;
  variances[1] = 4.0;
  variances[8] = 4.0;
  variances[9] = 1.0;
  variances[2] = 0.25;
  return {torch::ones({1}), torch::zeros({1, 64}), variances, basis};
}

/// Frequencies of the rows of fourier().
torch::Tensor frequencies() {
  return torch::cat({torch::arange(9, torch::kFloat64), torch::arange(1, 8, torch::kFloat64)});
}

/// The orthonormal real Fourier waves of sixteen points on a ring: nine cosines, seven sines.
torch::Tensor fourier() {
  const auto angle = 2 * std::numbers::pi / 16 * torch::arange(16, torch::kFloat64);
  const auto phase = frequencies().unsqueeze(1) * angle;
  const auto rows = torch::cat({phase.narrow(0, 0, 9).cos(), phase.narrow(0, 9, 7).sin()});
  return rows / rows.norm(2, /*dim=*/1, /*keepdim=*/true);
}

GaussianMixture stationary() {
  const auto square = frequencies().square();
  const auto variances = (1 + square.unsqueeze(1) + square).pow(-1.5).flatten();
  return {torch::ones({1}), torch::zeros({1, 256}), variances,
          torch::kron(fourier(), fourier()).t()};
}

}  // namespace

const std::vector<ToyDistribution>& toy_registry() {
  static const std::vector<ToyDistribution> entries = {
      {"gaussian", "N(0.3, diag(1, 0.25, 0.0625, 0.01)) on 1x1x4 images", {1, 1, 4}, gaussian},
      {"mixture",
       "1/2 N(-m, 0.25 I) + 1/2 N(m, 0.25 I), m = 0.5 everywhere, on 1x4x4 images",
       {1, 4, 4},
       mixture},
      {"lowrank",
       "5 DCT waves of variance 16, 4, 4, 1 and 0.25 on 1x8x8 images",
       {1, 8, 8},
       lowrank},
      {"stationary",
       "periodic Gaussian field of spectrum (1 + |k|^2)^-1.5 on 1x16x16 images",
       {1, 16, 16},
       stationary},
  };
  return entries;
}

bool is_toy(const std::string& path) { return path.rfind(kPrefix, 0) == 0; }

const ToyDistribution& find_toy(const std::string& path) {
  return find_entry(toy_registry(), path.substr(kPrefix.size()), "data.path");
}

ImageSet load_toy(const DataOptions& options) {
  const auto& toy = find_toy(options.path);
  if (options.labels) {
    throw DataError("data.labels: '" + options.path + "' has no labels; want data.labels = false");
  }
  const int64_t count = options.limit > 0 ? options.limit : kDefaultCount;
  std::vector<int64_t> shape = {count};
  shape.insert(shape.end(), toy.shape.begin(), toy.shape.end());
  auto rng = make_generator(0, options.split == DataSplit::test ? "toy test" : "toy train");
  ImageSet set;
  set.images = toy.make().sample(count, rng).view(shape).to(torch::kFloat32);
  return set;
}

}  // namespace halcyon
