#include "metrics/feature_map.h"

#include <cmath>

#include "core/random.h"
#include "core/torch.h"

namespace halcyon {
namespace {

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

torch::Tensor FeatureMap::probabilities(const torch::Tensor& images) {
  TORCH_CHECK(false, "probabilities: ", name(), " knows no classes of ", images.sizes());
}

torch::Tensor RandomFeatures::features(const torch::Tensor& images) {
  const torch::NoGradGuard no_grad;
  auto h = images.to(torch::kFloat32);
  std::vector<torch::Tensor> pooled;
  int64_t layer = 0;
  for (const int64_t channels : {32, 64, 128}) {
    h = random_convolution(h, channels, layer == 0 ? 5 : 3, 2, layer);
    ++layer;
    const auto pixels = h.flatten(2);
    pooled.push_back(pixels.mean(2));
    pooled.push_back(pixels.std(2, /*unbiased=*/false));
  }
  return torch::cat(pooled, 1);
}

}  // namespace halcyon
