#pragma once

#include <torch/types.h>

namespace halcyon {

// Half and twice the height and width by the filter k = (1, 3, 3, 1) / 8 along each of them, with
// zeros around the image, as in StyleGAN2 (Karras et al. 2020) and NCSN++ (Song et al. 2021); along
// one direction
//
//     halved:   y[i] = sum_j k[j] x[2 i + j - 1]
//     doubled:  y[2 i] = x[i - 1] / 4 + 3 x[i] / 4,   y[2 i + 1] = 3 x[i] / 4 + x[i + 1] / 4
//
// Unlike means and repeated pixels they keep high frequencies from turning into low ones.  A
// constant stays as it is but at the border, beyond which there is 0.

/// x: [B, C, H, W] of even height and width.
torch::Tensor fir_halved(const torch::Tensor& x);

/// x: [B, C, H, W].
torch::Tensor fir_doubled(const torch::Tensor& x);

}  // namespace halcyon
