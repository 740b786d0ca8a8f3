#pragma once

#include <torch/nn/modules/normalization.h>

#include <memory>
#include <vector>

#include "core/score_network.h"
#include "models/layers/attention.h"
#include "models/layers/condition_embedding.h"
#include "models/layers/convolution.h"
#include "models/layers/recompute.h"
#include "models/layers/recorded_forward.h"
#include "models/layers/residual_block.h"
#include "models/network_shape.h"
#include "models/unet_level.h"
#include "models/unet_options.h"

namespace halcyon {

/// The U-Net of Ho et al. 2020 (App. B); its options default to their CIFAR-10 network
/// (35 746 307 parameters on 3x32x32).  Each level halves height and width.  With patch p, the
/// image is first folded to [p^2 channels, height / p, width / p], and the output unfolded.
/// Residual branches and the last convolution start at zero, so the first output is zero.
///
/// With resample_blocks, fir, skip_rescale, input_skip, output_skip, attention_up_once and
/// norm_groups = 0 it is NCSN++ (Song et al. 2021): the image, halved again and again, enters every
/// level, and every level adds to the image that comes out,
///
///     h_l = halve(h_(l-1)) + W_l image_l,   y_l = doubled(y_(l+1)) + conv_l(silu(norm_l(h_l))).
class Unet final : public ScoreNetwork {
 public:
  /// num_classes 0: unconditional.
  /// @throws ConfigError naming the key under model.unet for options that contradict one another
  /// or the image shape, whose height and width must be multiples of patch 2^(levels - 1).
  Unet(const UnetOptions& options, const ImageShape& shape, int64_t num_classes);

  /// A label of num_classes, like an undefined one, means "no class".
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& c_noise,
                        const torch::Tensor& label) override;
  int64_t num_classes() const override;
  /// Convolutions and attention go to `type`, in channels-last memory; norms and embeddings stay.
  void use_type(at::ScalarType type) override;
  void fix_weights() override;
  void use_generator(const at::Generator& rng) override;
  void reuse_features(int64_t every) override;
  void replay_evaluations(bool on) override;
  void recompute_features(bool recompute) override { recompute_ = recompute; }

 private:
  /// Of a block of a level.
  ResidualBlockOptions block_options(int64_t in_channels, int64_t out_channels) const;
  std::shared_ptr<ResidualBlock> make_resampling(int64_t channels, Resample resample) const;
  std::shared_ptr<Attention> make_attention(int64_t channels, int64_t norm_groups,
                                            double rescale) const;
  std::shared_ptr<Attention> make_level_attention(int64_t channels) const;
  void add_downsample(UnetLevel& level, int64_t channels) const;
  void add_upsample(UnetLevel& level, int64_t channels) const;
  std::vector<int64_t> build_down();
  void build_middle(int64_t channels);
  void build_up(int64_t channels, std::vector<int64_t> skips);
  void fix_weights(bool fixed);
  /// The blocks of a level on the way down, pushing what they give, and on the way up, popping it.
  torch::Tensor descend(UnetLevel& level, torch::Tensor h, const torch::Tensor& embedding,
                        std::vector<torch::Tensor>& skips) const;
  torch::Tensor ascend(UnetLevel& level, torch::Tensor h, const torch::Tensor& embedding,
                       std::vector<torch::Tensor>& skips) const;
  /// f(inputs), keeping for the backward pass what it needs, or the inputs only.
  torch::Tensor run(const TensorMapping& f, const std::vector<torch::Tensor>& inputs) const;
  /// What comes up from the resolutions below the first: computed, or as it was lately.
  UnetFeatures coarse_features(const UnetFeatures& top, const torch::Tensor& embedding);
  UnetFeatures compute_coarse_features(UnetFeatures features, const torch::Tensor& embedding);
  /// x in the type and the memory layout that the convolutions work in.
  torch::Tensor entering(const torch::Tensor& x) const;

  struct Reuse {
    int64_t every = 1;
    int64_t evaluations = 0;  // since features were computed
    UnetFeatures features;
  };

  torch::Tensor compute(const torch::Tensor& x, const torch::Tensor& c_noise,
                        const torch::Tensor& label);

  UnetOptions options_;
  Reuse reuse_;
  RecordedForward recorded_;
  bool recompute_ = false;
  at::Generator rng_;  // of dropout
  ImageShape shape_;
  int64_t folded_;  // channels of the image as it enters
  std::shared_ptr<ConditionEmbedding> embedding_;
  Convolution conv_in_, conv_out_;
  torch::nn::GroupNorm norm_out_;
  std::vector<std::shared_ptr<UnetLevel>> down_, up_;  // both in the order they run
  std::vector<std::shared_ptr<ResidualBlock>> middle_;
  std::shared_ptr<Attention> middle_attention_;  // or none
};

}  // namespace halcyon
