#pragma once

// oneDNN's view of tensors and its choice of a convolution, for the files of src/kernels that are
// compiled with HALCYON_HAS_ONEDNN.

#include <torch/types.h>

#include <dnnl.hpp>

namespace halcyon::onednn {

using dnnl::memory;

inline const dnnl::engine& processor() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

inline memory::data_type type_of(const torch::Tensor& t) {
  return t.scalar_type() == torch::kFloat32 ? memory::data_type::f32 : memory::data_type::bf16;
}

/// Of images in channels-last memory; strides of sides of length 1 say nothing.
inline memory::desc pixels(const torch::Tensor& t) {
  return {t.sizes().vec(), type_of(t), memory::format_tag::nhwc};
}

/// As it lies in memory.
inline memory::desc described(const torch::Tensor& t) {
  return {t.sizes().vec(), type_of(t), t.strides().vec()};
}

/// In whatever order suits oneDNN.
inline memory::desc any_order(const torch::Tensor& t) {
  return {t.sizes().vec(), type_of(t), memory::format_tag::any};
}

/// What primitives are run on; to be waited for.
inline dnnl::stream stream() {
  static const dnnl::stream stream(processor());
  return stream;
}

inline memory viewed(const memory::desc& as, const torch::Tensor& t) {
  return {as, processor(), t.data_ptr()};
}

/// y = weight * x + bias, zeros around x.
struct ConvolutionShape {
  memory::desc x, weight, bias, y;
  int64_t stride, padding;
};

// Versions 2 and 3 differ in how a primitive is described.

inline dnnl::convolution_forward::primitive_desc forward(const ConvolutionShape& s,
                                                         dnnl::prop_kind kind) {
  const auto direct = dnnl::algorithm::convolution_direct;
  const memory::dims strides = {s.stride, s.stride}, edge = {s.padding, s.padding};
#if DNNL_VERSION_MAJOR >= 3
  return {processor(), kind, direct, s.x, s.weight, s.bias, s.y, strides, edge, edge};
#else
  return {{kind, direct, s.x, s.weight, s.bias, s.y, strides, edge, edge}, processor()};
#endif
}

/// The gradient by x.
inline dnnl::convolution_backward_data::primitive_desc backward_data(
    const ConvolutionShape& s, const dnnl::convolution_forward::primitive_desc& hint) {
  const auto direct = dnnl::algorithm::convolution_direct;
  const memory::dims strides = {s.stride, s.stride}, edge = {s.padding, s.padding};
#if DNNL_VERSION_MAJOR >= 3
  return {processor(), direct, s.x, s.weight, s.y, strides, edge, edge, hint};
#else
  return {{direct, s.x, s.weight, s.y, strides, edge, edge}, processor(), hint};
#endif
}

/// The gradients by weight and bias.
inline dnnl::convolution_backward_weights::primitive_desc backward_weights(
    const ConvolutionShape& s, const dnnl::convolution_forward::primitive_desc& hint) {
  const auto direct = dnnl::algorithm::convolution_direct;
  const memory::dims strides = {s.stride, s.stride}, edge = {s.padding, s.padding};
#if DNNL_VERSION_MAJOR >= 3
  return {processor(), direct, s.x, s.weight, s.bias, s.y, strides, edge, edge, hint};
#else
  return {{direct, s.x, s.weight, s.bias, s.y, strides, edge, edge}, processor(), hint};
#endif
}

inline dnnl::matmul::primitive_desc product(const memory::desc& a, const memory::desc& b,
                                            const memory::desc& ab) {
#if DNNL_VERSION_MAJOR >= 3
  return {processor(), a, b, ab};
#else
  return {{a, b, ab}, processor()};
#endif
}

}  // namespace halcyon::onednn
