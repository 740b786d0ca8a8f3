#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <array>
#include <utility>

namespace halcyon {

enum class NoiseEmbeddingKind { sinusoidal, fourier, gaussian_fourier };

inline constexpr std::array<std::pair<NoiseEmbeddingKind, const char*>, 3> enum_names(
    NoiseEmbeddingKind) {
  return {{{NoiseEmbeddingKind::sinusoidal, "sinusoidal"},
           {NoiseEmbeddingKind::fourier, "fourier"},
           {NoiseEmbeddingKind::gaussian_fourier, "gaussian_fourier"}}};
}

struct NoiseEmbeddingOptions {
  NoiseEmbeddingKind kind = NoiseEmbeddingKind::sinusoidal;
  int64_t width = 128;          // of the result; even
  double freq_shift = 1.0;      // sinusoidal only; below width / 2
  bool cos_first = false;       // [cos, sin] instead of [sin, cos]
  double fourier_scale = 16.0;  // fourier ones only: standard deviation of the frequencies
};

/// Features of the noise level, [B] -> [B, width]: the sines, then the cosines, of c_noise w_k.
///
///     sinusoidal:  w_k = 10000^(-k / (width / 2 - freq_shift)),  k = 0 .. width / 2 - 1
///     fourier:     w_k = 2 pi fourier_scale n_k,  n_k ~ N(0, 1), drawn once and kept in a buffer
///     gaussian_fourier:  the same, of which fourier_scale n_k is kept, as Song et al. 2021 do
///
/// Ho et al. 2020 use the first with freq_shift 1, from Vaswani et al. 2017, who have 0; the
/// second is Tancik et al. 2020.  Computed in c_noise's own type, so that it stays exact in a
/// network of fewer digits.
class NoiseEmbedding final : public torch::nn::Module {
 public:
  explicit NoiseEmbedding(const NoiseEmbeddingOptions& options);

  torch::Tensor forward(const torch::Tensor& c_noise);

 private:
  torch::Tensor frequencies(const torch::TensorOptions& type) const;

  NoiseEmbeddingOptions options_;
  torch::Tensor fourier_, weight_;  // [width / 2], where the kind keeps it
};

}  // namespace halcyon
