#pragma once

#include <torch/types.h>

namespace halcyon {

/// An affine map of a network, y = W x + b at every place that shares W, as it was evaluated.
struct AffineCall {
  torch::Tensor weight;  ///< the parameter, [out, in] or [out, in, k, k]
  torch::Tensor bias;    ///< the parameter, [out], or undefined
  torch::Tensor x;       ///< [B, in], or [B, in, H, W] of a convolution
  torch::Tensor y;       ///< [B, out] or [B, out, H', W'], with its graph
  int64_t stride = 1;
  int64_t padding = 0;
};

/// Sees what goes into and comes out of the affine maps of networks: what curvature is made of.
class LayerTap {
 public:
  virtual ~LayerTap() = default;
  virtual void see(const AffineCall& call) = 0;
};

/// Lets `tap` see the evaluations of this thread for as long as it lives; they do not nest.
class ScopedLayerTap {
 public:
  explicit ScopedLayerTap(LayerTap& tap);
  ~ScopedLayerTap();
  ScopedLayerTap(const ScopedLayerTap&) = delete;
  ScopedLayerTap& operator=(const ScopedLayerTap&) = delete;
};

/// What a layer returns of its evaluation: y, or, where a tap saw it, a copy of y, so that what is
/// done to it in place leaves the tap's own as it was.
torch::Tensor tapped(const AffineCall& call);

}  // namespace halcyon
