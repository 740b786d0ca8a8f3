#include "metrics/laplacian_pyramid.h"

#include <torch/nn/functional.h>

#include <algorithm>
#include <cmath>

#include "core/torch.h"
#include "metrics/sliced_wasserstein.h"

namespace halcyon {
namespace {

namespace F = torch::nn::functional;

constexpr int64_t kPatch = 7;

/// Every channel by itself with the binomial kernel (1, 4, 6, 4, 1) / 16 in both directions.
torch::Tensor blurred(const torch::Tensor& x, int64_t stride) {
  const auto line = torch::tensor({1.0F, 4.0F, 6.0F, 4.0F, 1.0F}, x.options()) / 16;
  const auto kernel = line.outer(line).expand({x.size(1), 1, 5, 5});
  const bool mirrors = std::min(x.size(2), x.size(3)) > 2;
  auto padding = F::PadFuncOptions({2, 2, 2, 2});
  const auto padded = mirrors ? F::pad(x, padding.mode(torch::kReflect))
                              : F::pad(x, padding.mode(torch::kReplicate));
  return F::conv2d(padded, kernel, F::Conv2dFuncOptions().stride(stride).groups(x.size(1)));
}

/// Twice as large, cut to the size of `like`: pixels set apart, and the blur fills the gaps.
torch::Tensor enlarged(const torch::Tensor& x, const torch::Tensor& like) {
  auto apart = torch::zeros({x.size(0), x.size(1), 2 * x.size(2), 2 * x.size(3)}, x.options());
  using torch::indexing::Slice;
  apart.index_put_(
      {Slice(), Slice(), Slice(0, torch::indexing::None, 2), Slice(0, torch::indexing::None, 2)},
      4 * x);
  return blurred(apart, 1).slice(2, 0, like.size(2)).slice(3, 0, like.size(3));
}

/// `count` patches of every image at places that `rng` draws, normalised: [N, count, C * side^2].
torch::Tensor patches(const torch::Tensor& level, int64_t count, at::Generator& rng) {
  const auto n = level.size(0), channels = level.size(1);
  const auto side = std::min({kPatch, level.size(2), level.size(3)});
  const auto places = [&](int64_t length) {
    return torch::randint(length - side + 1, {n, count, 1, 1, 1}, rng, torch::kInt64);
  };
  const auto along = torch::arange(side);
  const auto y = places(level.size(2)) + along.view({side, 1});
  const auto x = places(level.size(3)) + along;
  const auto image = torch::arange(n).view({n, 1, 1, 1, 1});
  const auto channel = torch::arange(channels).view({channels, 1, 1});
  auto found = level.index({image.to(level.device()), channel.to(level.device()),
                            y.to(level.device()), x.to(level.device())});
  const auto mean = found.mean({0, 1, 3, 4}, /*keepdim=*/true);
  const auto deviation = found.std(torch::IntArrayRef({0, 1, 3, 4}), /*unbiased=*/false, true);
  return ((found - mean) / deviation.clamp_min(1e-12)).flatten(2);
}

}  // namespace

int64_t pyramid_levels(int64_t height, int64_t width) {
  int64_t levels = 1;
  for (auto side = std::min(height, width) / 2; side >= 2 * kPatch; side /= 2) ++levels;
  return levels;
}

std::vector<torch::Tensor> laplacian_pyramid(const torch::Tensor& images, int64_t levels) {
  std::vector<torch::Tensor> pyramid = {images};
  for (int64_t level = 1; level < levels; ++level) {
    const auto coarse = blurred(pyramid.back(), 2);
    pyramid.back() = pyramid.back() - enlarged(coarse, pyramid.back());
    pyramid.push_back(coarse);
  }
  return pyramid;
}

PyramidDistances pyramid_distances(const torch::Tensor& a, const torch::Tensor& b,
                                   const PyramidOptions& options, at::Generator rng) {
  TORCH_CHECK(a.sizes() == b.sizes(), "pyramid_distances: ", a.sizes(), " and ", b.sizes());
  const torch::NoGradGuard no_grad;
  const auto levels = pyramid_levels(a.size(2), a.size(3));
  const auto of_a = laplacian_pyramid(a.to(torch::kFloat32), levels);
  const auto of_b = laplacian_pyramid(b.to(torch::kFloat32), levels);
  PyramidDistances result;
  double sum = 0, errors = 0;
  for (int64_t level = 0; level < levels; ++level) {
    auto places = rng.clone();  // equal sets have equal patches
    const auto distance = [&](const torch::Tensor& x, const torch::Tensor& y) {
      return sliced_wasserstein_1(x.flatten(0, 1), y.flatten(0, 1), options.projections,
                                  rng.clone());
    };
    const auto x = patches(of_a[level], options.patches, places);
    places = rng.clone();
    const auto y = patches(of_b[level], options.patches, places);
    auto parts = rng.clone();
    const MetricEstimate here = {distance(x, y),
                                 error_by_parts(distance, x, y, options.parts, parts)};
    result.heights.push_back(of_a[level].size(2));
    result.levels.push_back(here);
    sum += here.value;
    errors += here.standard_error;  // levels are of the same images: at worst their errors add
  }
  const auto count = static_cast<double>(levels);
  result.mean = {sum / count, errors / count};
  return result;
}

}  // namespace halcyon
