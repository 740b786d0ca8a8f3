#include "core/linear_operator.h"

#include <torch/fft.h>

#include <cmath>
#include <functional>
#include <numeric>

#include "core/error.h"
#include "core/require.h"
#include "core/torch.h"

namespace halcyon {
namespace {

int64_t numel(const std::vector<int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

/// Every `stride`-th of `count` places.
torch::Tensor every(int64_t stride, int64_t count) {
  return torch::arange(0, count, stride, torch::kInt64);
}

/// [n, n], orthonormal and symmetric, whose first column is constant: a Householder reflection.
torch::Tensor mean_first_basis(int64_t n) {
  auto w = torch::full({n, 1}, -1 / std::sqrt(static_cast<double>(n)), torch::kFloat64);
  w[0] += 1;
  const auto identity = torch::eye(n, torch::kFloat64);
  return n == 1 ? identity : identity - 2 * w.matmul(w.t()) / w.square().sum();
}

/// `value` at every `stride`-th place and 0 elsewhere.
torch::Tensor first_of_each(int64_t stride, int64_t count, double value) {
  auto s = torch::zeros({count / stride, stride}, torch::kFloat64);
  s.select(1, 0).fill_(value);
  return s.flatten();
}

/// Its own inverse.
torch::Tensor hartley(const torch::Tensor& x) {
  const auto transformed = torch::fft_fft2(x, {}, {-2, -1}, "ortho");
  return torch::real(transformed) - torch::imag(transformed);
}

/// Eigenvalues of the convolution with a sampled Gaussian on a ring of n pixels.
torch::Tensor ring_eigenvalues(int64_t n, double width) {
  const auto pixel = torch::arange(n, torch::kFloat64);
  auto kernel = torch::zeros({n}, torch::kFloat64);
  const auto turns = static_cast<int64_t>(std::ceil(12 * width / static_cast<double>(n))) + 1;
  for (int64_t turn = -turns; turn <= turns; ++turn) {
    kernel += (-0.5 * ((pixel + turn * n) / width).square()).exp();
  }
  return torch::real(torch::fft_fft(kernel / kernel.sum()));
}

torch::Tensor blur_eigenvalues(const std::vector<int64_t>& shape, double width) {
  require_option(width > 0 && std::isfinite(width), "deblur.width", "a number > 0", width);
  constexpr double kLeast = 1e-5;
  const auto plane =
      torch::outer(ring_eigenvalues(shape[1], width), ring_eigenvalues(shape[2], width));
  return torch::where(plane < kLeast, torch::zeros_like(plane), plane).flatten().repeat({shape[0]});
}

torch::Tensor seen_places(const torch::Tensor& seen) {
  const auto places = seen.flatten().nonzero().flatten();
  if (places.size(0) == 0) throw ConfigError("inpaint.mask: want a pixel or more that is seen");
  return places;
}

/// Pixels of a block.
int64_t block_size(const std::vector<int64_t>& shape, int64_t factor) {
  require_option(factor > 0 && shape[1] % factor == 0 && shape[2] % factor == 0,
                 "superresolve.factor", "a whole number > 0 that divides height and width", factor);
  return factor * factor;
}

std::vector<int64_t> pooled(const std::vector<int64_t>& shape, int64_t factor) {
  block_size(shape, factor);  // refuses what cannot be divided
  return {shape[0], shape[1] / factor, shape[2] / factor};
}

}  // namespace

LinearOperator::LinearOperator(std::vector<int64_t> image_shape,
                               std::vector<int64_t> measurement_shape,
                               torch::Tensor singular_values, torch::Tensor places)
    : image_shape_(std::move(image_shape)),
      measurement_shape_(std::move(measurement_shape)),
      singular_values_(std::move(singular_values)),
      places_(std::move(places)) {}

torch::Tensor LinearOperator::as_images(const torch::Tensor& v) const {
  return v.reshape({v.size(0), image_shape_[0], image_shape_[1], image_shape_[2]});
}

torch::Tensor LinearOperator::singular_values(const torch::Tensor& like) const {
  return singular_values_.to(like.device(), like.scalar_type());
}

torch::Tensor LinearOperator::measured(const torch::Tensor& y) const {
  const auto w = torch::zeros({y.size(0), singular_values_.size(0)}, y.options());
  return w.index_copy(1, places_.to(y.device()), y.flatten(1));
}

torch::Tensor LinearOperator::from_measured(const torch::Tensor& w) const {
  auto shape = measurement_shape_;
  shape.insert(shape.begin(), w.size(0));
  return w.index_select(1, places_.to(w.device())).reshape(shape);
}

torch::Tensor LinearOperator::apply(const torch::Tensor& x) const {
  return from_measured(singular_values(x) * to_singular(x));
}

torch::Tensor LinearOperator::transpose(const torch::Tensor& y) const {
  return from_singular(singular_values(y) * measured(y));
}

torch::Tensor LinearOperator::pseudo_inverse(const torch::Tensor& y) const {
  const auto s = singular_values(y);
  const auto w = measured(y);
  return from_singular(torch::where(s > 0, w / s, torch::zeros_like(w)));
}

MaskOperator::MaskOperator(const torch::Tensor& seen)
    : LinearOperator(seen.sizes().vec(), {seen_places(seen).size(0)},
                     seen.flatten().to(torch::kFloat64), seen_places(seen)) {}

PoolingOperator::PoolingOperator(const std::vector<int64_t>& shape, int64_t factor)
    : LinearOperator(
          shape, pooled(shape, factor),
          first_of_each(block_size(shape, factor), numel(shape), 1 / static_cast<double>(factor)),
          every(block_size(shape, factor), numel(shape))),
      factor_(factor),
      block_basis_(mean_first_basis(factor * factor)) {}

torch::Tensor PoolingOperator::to_singular(const torch::Tensor& x) const {
  const auto& out = measurement_shape();
  const auto blocks = x.reshape({x.size(0), out[0], out[1], factor_, out[2], factor_})
                          .permute({0, 1, 2, 4, 3, 5})
                          .reshape({-1, factor_ * factor_});
  return blocks.matmul(block_basis_.to(x.device(), x.scalar_type())).reshape({x.size(0), -1});
}

torch::Tensor PoolingOperator::from_singular(const torch::Tensor& v) const {
  const auto& out = measurement_shape();
  const auto blocks =
      v.reshape({-1, factor_ * factor_}).matmul(block_basis_.to(v.device(), v.scalar_type()));
  return as_images(blocks.reshape({v.size(0), out[0], out[1], out[2], factor_, factor_})
                       .permute({0, 1, 2, 4, 3, 5})
                       .contiguous());
}

ChannelMeanOperator::ChannelMeanOperator(const std::vector<int64_t>& shape)
    : LinearOperator(
          shape, {1, shape[1], shape[2]},
          first_of_each(shape[0], numel(shape), 1 / std::sqrt(static_cast<double>(shape[0]))),
          every(shape[0], numel(shape))),
      channel_basis_(mean_first_basis(shape[0])) {}

torch::Tensor ChannelMeanOperator::to_singular(const torch::Tensor& x) const {
  return x.permute({0, 2, 3, 1})
      .matmul(channel_basis_.to(x.device(), x.scalar_type()))
      .reshape({x.size(0), -1});
}

torch::Tensor ChannelMeanOperator::from_singular(const torch::Tensor& v) const {
  const auto& shape = image_shape();
  return v.reshape({v.size(0), shape[1], shape[2], shape[0]})
      .matmul(channel_basis_.to(v.device(), v.scalar_type()))
      .permute({0, 3, 1, 2})
      .contiguous();
}

BlurOperator::BlurOperator(const std::vector<int64_t>& shape, double width)
    : LinearOperator(shape, shape, blur_eigenvalues(shape, width), every(1, numel(shape))) {}

torch::Tensor BlurOperator::to_singular(const torch::Tensor& x) const {
  return hartley(x).flatten(1);
}

torch::Tensor BlurOperator::from_singular(const torch::Tensor& v) const {
  return hartley(as_images(v));
}

torch::Tensor BlurOperator::measured(const torch::Tensor& y) const { return to_singular(y); }

torch::Tensor BlurOperator::from_measured(const torch::Tensor& w) const { return from_singular(w); }

}  // namespace halcyon
