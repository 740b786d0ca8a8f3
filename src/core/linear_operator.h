#pragma once

#include <torch/types.h>

#include <vector>

namespace halcyon {

/// A linear map of images by its singular value decomposition, A = U diag(s) V^T: what an inverse
/// problem y = A x + S n has lost, and what it has kept.
///
/// Singular coordinates are [B, d], d = C H W, as many as an image has numbers; s is 0 for those
/// that A loses.  Nothing is stored as a matrix.
class LinearOperator {
 public:
  virtual ~LinearOperator() = default;

  /// A x: x [B, C, H, W]; result [B, measurement_shape()...].
  torch::Tensor apply(const torch::Tensor& x) const;
  /// A^T y: an image.
  torch::Tensor transpose(const torch::Tensor& y) const;
  /// A^+ y: the least image of all that fit y best.
  torch::Tensor pseudo_inverse(const torch::Tensor& y) const;

  /// V^T x, [B, d].
  virtual torch::Tensor to_singular(const torch::Tensor& x) const = 0;
  /// V v: an image.
  virtual torch::Tensor from_singular(const torch::Tensor& v) const = 0;
  /// U^T y, [B, d]; 0 in the coordinates that no measurement belongs to.
  virtual torch::Tensor measured(const torch::Tensor& y) const;
  /// U w: a measurement.
  virtual torch::Tensor from_measured(const torch::Tensor& w) const;

  /// s, [d], like `like` in type and device.
  torch::Tensor singular_values(const torch::Tensor& like) const;
  const std::vector<int64_t>& image_shape() const { return image_shape_; }
  const std::vector<int64_t>& measurement_shape() const { return measurement_shape_; }
  /// Numbers in a measurement.
  int64_t measurement_size() const { return places_.size(0); }
  /// Whether A takes single pixels out of the image.
  virtual bool is_mask() const { return false; }

 protected:
  /// singular_values: [d] float64; places: int64 [m], where in them the measurements stand.
  LinearOperator(std::vector<int64_t> image_shape, std::vector<int64_t> measurement_shape,
                 torch::Tensor singular_values, torch::Tensor places);
  torch::Tensor as_images(const torch::Tensor& v) const;

 private:
  std::vector<int64_t> image_shape_, measurement_shape_;
  torch::Tensor singular_values_, places_;
};

/// Takes the pixels out that a mask names.  y: [B, m].
class MaskOperator final : public LinearOperator {
 public:
  /// seen: bool [C, H, W].  @throws ConfigError if none is true
  explicit MaskOperator(const torch::Tensor& seen);
  torch::Tensor to_singular(const torch::Tensor& x) const override { return x.flatten(1); }
  torch::Tensor from_singular(const torch::Tensor& v) const override { return as_images(v); }
  bool is_mask() const override { return true; }
};

/// Means over blocks of k x k pixels, s = 1 / k.  y: [B, C, H / k, W / k].
class PoolingOperator final : public LinearOperator {
 public:
  /// shape: [C, H, W].  @throws ConfigError unless k > 0 divides H and W
  PoolingOperator(const std::vector<int64_t>& shape, int64_t factor);
  torch::Tensor to_singular(const torch::Tensor& x) const override;
  torch::Tensor from_singular(const torch::Tensor& v) const override;

 private:
  int64_t factor_;
  torch::Tensor block_basis_;
};

/// The mean of the channels, s = 1 / sqrt(C).  y: [B, 1, H, W].
class ChannelMeanOperator final : public LinearOperator {
 public:
  explicit ChannelMeanOperator(const std::vector<int64_t>& shape);
  torch::Tensor to_singular(const torch::Tensor& x) const override;
  torch::Tensor from_singular(const torch::Tensor& v) const override;

 private:
  torch::Tensor channel_basis_;
};

/// Convolution with a Gaussian on the torus.  Its eigenvectors are those of the Hartley transform,
/// the real form of Fourier's; its eigenvalues are > 0, and those below 1e-5 count as 0.
/// y: [B, C, H, W].
class BlurOperator final : public LinearOperator {
 public:
  /// width: standard deviation of the Gaussian, in pixels, > 0.
  BlurOperator(const std::vector<int64_t>& shape, double width);
  torch::Tensor to_singular(const torch::Tensor& x) const override;
  torch::Tensor from_singular(const torch::Tensor& v) const override;
  torch::Tensor measured(const torch::Tensor& y) const override;
  torch::Tensor from_measured(const torch::Tensor& w) const override;
};

}  // namespace halcyon
