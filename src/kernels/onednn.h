#pragma once

// oneDNN's view of tensors and its choice of a convolution, for the files of src/kernels that are
// compiled with HALCYON_HAS_ONEDNN.

#include <torch/types.h>

#include <dnnl.hpp>
#include <unordered_map>
#include <utility>

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

inline memory viewed(const memory::desc& as, const torch::Tensor& t) {
  return {as, processor(), t.data_ptr()};
}

/// Numbers in an order of oneDNN's, and what owns them.
struct Ordered {
  torch::Tensor owner;
  memory view;
};

inline Ordered room_for(const memory::desc& order) {
  auto bytes = torch::empty({static_cast<int64_t>(order.get_size())}, torch::kUInt8);
  const auto view = viewed(order, bytes);
  return {std::move(bytes), view};
}

/// A primitive and the memory it works in, which each call brings: several threads may call, and
/// nothing is held between calls.
class Task {
 public:
  Task() = default;
  template <class Choice>
  explicit Task(const Choice& choice)
      : primitive_(choice.get()), scratch_(choice.scratchpad_desc()) {}

  /// @throws c10::Error
  void operator()(std::unordered_map<int, memory> arguments) const try {
    const auto scratch = room_for(scratch_);
    arguments.emplace(DNNL_ARG_SCRATCHPAD, scratch.view);
    dnnl::stream stream(processor());
    primitive_.execute(stream, arguments);
    stream.wait();
  } catch (const dnnl::error& error) {
    TORCH_CHECK(false, "oneDNN: ", error.what());
  }

 private:
  dnnl::primitive primitive_;
  memory::desc scratch_;
};

inline dnnl::primitive_attr brought_scratch() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

/// Room for y = weight * x + bias, [B, O, H', W'] in channels-last memory.
inline torch::Tensor output_of(const torch::Tensor& x, const torch::Tensor& weight, int64_t stride,
                               int64_t padding) {
  const auto side = [&](int64_t i) {
    const auto room = x.size(i) + 2 * padding - weight.size(i);
    TORCH_CHECK(room >= 0, "images of ", x.sizes(), " for weights of ", weight.sizes());
    return room / stride + 1;
  };
  return torch::empty({x.size(0), weight.size(0), side(2), side(3)}, x.options(),
                      at::MemoryFormat::ChannelsLast);
}

/// y = weight * x + bias, zeros around x.
struct ConvolutionShape {
  memory::desc x, weight, bias, y;
  int64_t stride, padding;

  memory::dims strides() const { return {stride, stride}; }
  memory::dims edge() const { return {padding, padding}; }
};

// What oneDNN has for a shape; versions 2 and 3 are asked in two ways.
// @throws dnnl::error, of status dnnl_unimplemented where it has nothing

inline dnnl::convolution_forward::primitive_desc forward(const ConvolutionShape& s,
                                                         dnnl::prop_kind kind) {
  const auto direct = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  return {processor(), kind,        direct,   s.x,      s.weight,         s.bias,
          s.y,         s.strides(), s.edge(), s.edge(), brought_scratch()};
#else
  return {{kind, direct, s.x, s.weight, s.bias, s.y, s.strides(), s.edge(), s.edge()},
          brought_scratch(),
          processor()};
#endif
}

/// The gradient by x.
inline dnnl::convolution_backward_data::primitive_desc backward_data(
    const ConvolutionShape& s, const dnnl::convolution_forward::primitive_desc& hint) {
  const auto direct = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  return {processor(), direct,   s.x,      s.weight, s.y,
          s.strides(), s.edge(), s.edge(), hint,     brought_scratch()};
#else
  return {{direct, s.x, s.weight, s.y, s.strides(), s.edge(), s.edge()},
          brought_scratch(),
          processor(),
          hint};
#endif
}

/// The gradients by weight and bias.
inline dnnl::convolution_backward_weights::primitive_desc backward_weights(
    const ConvolutionShape& s, const dnnl::convolution_forward::primitive_desc& hint) {
  const auto direct = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  return {processor(), direct,   s.x,      s.weight, s.bias,           s.y,
          s.strides(), s.edge(), s.edge(), hint,     brought_scratch()};
#else
  return {{direct, s.x, s.weight, s.bias, s.y, s.strides(), s.edge(), s.edge()},
          brought_scratch(),
          processor(),
          hint};
#endif
}

inline dnnl::matmul::primitive_desc product(const memory::desc& a, const memory::desc& b,
                                            const memory::desc& ab) {
#if DNNL_VERSION_MAJOR >= 3
  return {processor(), a, b, ab, brought_scratch()};
#else
  return {{a, b, ab}, brought_scratch(), processor()};
#endif
}

inline dnnl::reorder::primitive_desc reordering(const memory::desc& from, const memory::desc& to) {
  return {processor(), from, processor(), to, brought_scratch()};
}

}  // namespace halcyon::onednn
