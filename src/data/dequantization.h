#pragma once

#include <torch/types.h>

#include <array>
#include <utility>

namespace halcyon {

/// How 8-bit pixels become values with a density.
enum class Dequantization { uniform, none };

inline constexpr std::array<std::pair<Dequantization, const char*>, 2> enum_names(Dequantization) {
  return {{{Dequantization::uniform, "uniform"}, {Dequantization::none, "none"}}};
}

/// Model units per 8-bit pixel value: the bins of x = u / 127.5 - 1.
inline constexpr double kPixelBinWidth = 1 / 127.5;

/// uint8 pixels u to model units, spread evenly over their bins (Uria et al. 2013):
///
///     x = (u + U - 1/2) / 127.5 - 1,   U uniform in [0, 1)
///
/// With a density q of x, E_U[-ln q(x) + d ln 127.5] is at least the negative log probability of
/// the pixels.  Any shape; returns float32.
torch::Tensor dequantize(const torch::Tensor& pixels, at::Generator& rng);

}  // namespace halcyon
