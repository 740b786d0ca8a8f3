#include "models/layers/noise_embedding.h"

#include <cmath>

#include "core/torch.h"

namespace halcyon {

constexpr double kMaxPeriod = 10000;

NoiseEmbedding::NoiseEmbedding(const NoiseEmbeddingOptions& options) : options_(options) {
  TORCH_CHECK(options.width > 0 && options.width % 2 == 0, "width must be even: ", options.width);
  TORCH_CHECK(2 * options.freq_shift < options.width, "freq_shift: ", options.freq_shift);
  if (options.kind == NoiseEmbeddingKind::fourier) {
    const auto drawn = torch::randn({options.width / 2});
    fourier_ = register_buffer("frequencies", 2 * M_PI * options.fourier_scale * drawn);
  }
  if (options.kind == NoiseEmbeddingKind::gaussian_fourier) {
    weight_ = register_buffer("weight", options.fourier_scale * torch::randn({options.width / 2}));
  }
}

torch::Tensor NoiseEmbedding::frequencies(const torch::TensorOptions& type) const {
  if (fourier_.defined()) return fourier_.to(type);
  if (weight_.defined()) return 2 * M_PI * weight_.to(type);
  const int64_t half = options_.width / 2;
  const auto exponent = -std::log(kMaxPeriod) * torch::arange(half, type);
  return (exponent / (static_cast<double>(half) - options_.freq_shift)).exp();
}

torch::Tensor NoiseEmbedding::forward(const torch::Tensor& c_noise) {
  TORCH_CHECK(c_noise.dim() == 1 && c_noise.is_floating_point(),
              "c_noise must be floating point, of shape [B]: ", c_noise.sizes());
  const auto angle = c_noise.unsqueeze(1) * frequencies(c_noise.options());
  return options_.cos_first ? torch::cat({angle.cos(), angle.sin()}, 1)
                            : torch::cat({angle.sin(), angle.cos()}, 1);
}

}  // namespace halcyon
