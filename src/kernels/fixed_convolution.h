#pragma once

#include <torch/types.h>

#include <memory>

namespace halcyon {

/// A convolution whose weights do not change any more, for many evaluations:
///
///     y = weight * x + bias,  zeros around x
///
/// LibTorch hands oneDNN weights in its own order, and oneDNN brings them into that of the
/// processor at every call: for a single image of few pixels this takes longer than the products.
/// Here it is done once for each size of batch and image.  No derivatives; not for two threads at
/// the same time.
class FixedConvolution {
 public:
  /// weight: [O, C, k, k]; bias: [O]; both float32 or bfloat16 on the CPU.  They are kept, and are
  /// to stay as they are.
  FixedConvolution(const torch::Tensor& weight, const torch::Tensor& bias, int64_t stride,
                   int64_t padding);
  ~FixedConvolution();

  /// One of these, or none where the build or the tensors are not as the constructor wants them.
  static std::unique_ptr<FixedConvolution> make(const torch::Tensor& weight,
                                                const torch::Tensor& bias, int64_t stride,
                                                int64_t padding);

  /// Whether x may be handed to it: no derivatives are asked for.
  static bool takes(const torch::Tensor& x);

  /// x: [B, C, H, W], typed as the weights.  Returns [B, O, H', W'] in channels-last memory.
  torch::Tensor operator()(const torch::Tensor& x);

 private:
  struct Plans;
  std::unique_ptr<Plans> plans_;
};

}  // namespace halcyon
