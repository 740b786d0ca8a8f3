#pragma once

#include <torch/types.h>

namespace halcyon {

/// [B, C1, H, W] and [B, C2, H, W] as [B, C1 + C2, H, W]: torch::cat, but the gradients come back
/// in memory order and not as views of one another, so that what follows need not copy them twice.
torch::Tensor concatenate_channels(const torch::Tensor& first, const torch::Tensor& second);

}  // namespace halcyon
