#pragma once

#include <torch/types.h>

#include <vector>

#include "core/denoiser.h"
#include "core/layer_tap.h"
#include "curvature/parameter_space.h"
#include "curvature/regression.h"

namespace halcyon {

/// phi = D / tau of a batch, with what went into every affine layer of the network on the way: the
/// gradients of the layers' parameters sample by sample, from one backward pass for all of them.
/// A layer y_t = W a_t at places t (1 of a fully connected layer, H' W' of a convolution, where a_t
/// is the patch under it) has the gradient
///
///     dL_n / dW = sum_t g_nt a_nt^T,   g = dL / dy
///
/// with the bias as one more column of W and a 1 at the end of a.
class TappedBatch final : private LayerTap {
 public:
  struct Layer {
    int64_t weight;   ///< which tensor of the space
    int64_t bias;     ///< likewise, or -1
    AffineCall call;  ///< what was seen
    int64_t rows;     ///< numbers that come out, O
    int64_t columns;  ///< that go in, with the 1 of a bias, I
  };
  /// What comes back from u.
  struct Backward {
    std::vector<torch::Tensor> outputs;  ///< du.phi / dy of each layer, shaped as y
    std::vector<torch::Tensor> others;   ///< du.phi / dtheta of the tensors in no layer, summed
  };

  TappedBatch(Denoiser& denoiser, const ParameterSpace& space, const RegressionBatch& batch);

  int64_t size() const { return phi_.size(0); }
  const torch::Tensor& predictions() const { return phi_; }
  const std::vector<Layer>& layers() const { return layers_; }
  /// The tensors of the space that belong to no layer seen.
  const std::vector<int64_t>& others() const { return others_; }

  /// u: shaped as phi.  May be called again and again.
  Backward backward(const torch::Tensor& u) const;

  /// a of layer i, [B, T, I], at least float32.
  torch::Tensor inputs(size_t i) const;
  /// g of layer i, [B, T, O].
  torch::Tensor outputs(const Backward& of, size_t i) const;

 private:
  void see(const AffineCall& call) override;

  const ParameterSpace& space_;
  std::vector<Layer> layers_;
  std::vector<int64_t> others_;
  torch::Tensor phi_;
};

/// sum_t g_t a_t^T of each sample, [B, O, I].
torch::Tensor sample_gradients(const torch::Tensor& inputs, const torch::Tensor& outputs);

}  // namespace halcyon
