#pragma once

#include <torch/types.h>

namespace halcyon {

/// Scaled dot-product attention (Vaswani et al. 2017, eq. 1) of one head:
///
///     softmax(q k^T / sqrt(d)) v
///
/// q, k, v: [B, N, d]; the result likewise.  The weights [B, N, N] are kept for the backward pass.
/// For second and forward-mode derivatives it is attention_composed().
torch::Tensor attention(const torch::Tensor& query, const torch::Tensor& key,
                        const torch::Tensor& value);

/// The same of LibTorch's operators.
torch::Tensor attention_composed(const torch::Tensor& query, const torch::Tensor& key,
                                 const torch::Tensor& value);

}  // namespace halcyon
