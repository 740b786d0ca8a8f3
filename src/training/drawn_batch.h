#pragma once

#include <torch/types.h>

namespace halcyon {

/// A batch with all that is drawn for it before the network sees it; the noise itself is not.
struct DrawnBatch {
  torch::Tensor x0;        ///< [B, C, H, W] float32, model units
  torch::Tensor label;     ///< [B] int64, some hidden; undefined: the network takes none
  torch::Tensor quantile;  ///< [B] float64, of the noise level in its distribution
  torch::Tensor sigma;     ///< [B] noise levels
  torch::Tensor weight;    ///< [B] what a sample counts in the loss
};

}  // namespace halcyon
