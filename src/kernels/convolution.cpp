#include "kernels/convolution.h"

#include <ATen/Parallel.h>
#include <ATen/record_function.h>
#include <torch/autograd.h>
#include <torch/types.h>

#ifdef HALCYON_HAS_ONEDNN
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "kernels/onednn.h"
#endif

#include "kernels/fusion.h"

namespace halcyon {

#ifdef HALCYON_HAS_ONEDNN

namespace {

using dnnl::memory;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Geometry {
  int64_t stride, padding;

  int64_t side(int64_t of_x, int64_t of_weight) const {
    return (of_x + 2 * padding - of_weight) / stride + 1;
  }
  /// Whether each pixel of y comes from one of x.
  bool is_pointwise(const torch::Tensor& weight) const {
    return weight.size(2) == 1 && weight.size(3) == 1 && stride == 1 && padding == 0;
  }
};

torch::Tensor channels_last(const torch::Tensor& t) {
  return t.contiguous(at::MemoryFormat::ChannelsLast);
}

torch::Tensor output_of(const torch::Tensor& x, const torch::Tensor& weight, Geometry g) {
  return torch::empty({x.size(0), weight.size(0), g.side(x.size(2), weight.size(2)),
                       g.side(x.size(3), weight.size(3))},
                      x.options().requires_grad(false), at::MemoryFormat::ChannelsLast);
}

void run(const dnnl::primitive& primitive, const std::unordered_map<int, memory>& arguments) {
  auto stream = onednn::stream();
  primitive.execute(stream, arguments);
  stream.wait();
}

/// From one order in memory to another.
class Reordering {
 public:
  Reordering() = default;
  Reordering(memory::desc from, memory::desc to) : from_(std::move(from)), to_(std::move(to)) {
    if (needed()) {
      run_ = dnnl::reorder({onednn::processor(), from_, onednn::processor(), to_});
    }
  }

  /// In the second order: t, which lies in the first, or a copy.
  memory read(const torch::Tensor& t) const {
    const auto lying = onednn::viewed(from_, t);
    if (!needed()) return lying;
    const memory ordered(to_, onednn::processor());
    run(run_, {{DNNL_ARG_FROM, lying}, {DNNL_ARG_TO, ordered}});
    return ordered;
  }

  /// In the first order: t, which lies in the second, or room for what write() puts there.
  memory room_for(const torch::Tensor& t) const {
    return needed() ? memory(from_, onednn::processor()) : onednn::viewed(to_, t);
  }
  void write(const memory& room, const torch::Tensor& t) const {
    if (needed()) run(run_, {{DNNL_ARG_FROM, room}, {DNNL_ARG_TO, onednn::viewed(to_, t)}});
  }

 private:
  bool needed() const { return from_ != to_; }

  memory::desc from_, to_;
  dnnl::reorder run_;
};

/// What oneDNN chose for one shape of images and weights.
class Plan {
 public:
  /// @throws dnnl::error where oneDNN has no such convolution on this processor
  Plan(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias, Geometry g)
      : geometry_(g) {
    const auto y = output_of(x, weight, g);
    plain_ = {onednn::pixels(x),
              onednn::described(weight),
              onednn::described(bias),
              onednn::pixels(y),
              g.stride,
              g.padding};
    auto shape = plain_;
    shape.weight = onednn::any_order(weight);
    const auto to_y = onednn::forward(shape, dnnl::prop_kind::forward_training);
    const auto to_x = onednn::backward_data(shape, to_y);
    forward_ = dnnl::convolution_forward(to_y);
    to_forward_order_ = {plain_.weight, to_y.weights_desc()};
    by_x_ = dnnl::convolution_backward_data(to_x);
    to_by_x_order_ = {plain_.weight, to_x.weights_desc()};
    if (g.is_pointwise(weight)) {
      plan_product(x, weight);
    } else {
      const auto to_weight = onednn::backward_weights(shape, to_y);
      by_weight_ = dnnl::convolution_backward_weights(to_weight);
      to_plain_ = {to_weight.diff_weights_desc(), plain_.weight};
    }
  }

  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& weight,
                        const torch::Tensor& bias) const {
    const auto y = output_of(x, weight, geometry_);
    run(forward_, {{DNNL_ARG_SRC, onednn::viewed(plain_.x, x)},
                   {DNNL_ARG_WEIGHTS, to_forward_order_.read(weight)},
                   {DNNL_ARG_BIAS, onednn::viewed(plain_.bias, bias)},
                   {DNNL_ARG_DST, onednn::viewed(plain_.y, y)}});
    return y;
  }

  torch::Tensor gradient_by_x(const torch::Tensor& x, const torch::Tensor& weight,
                              const torch::Tensor& dy) const {
    const auto dx = torch::empty_like(x);
    run(by_x_, {{DNNL_ARG_DIFF_DST, onednn::viewed(plain_.y, dy)},
                {DNNL_ARG_WEIGHTS, to_by_x_order_.read(weight)},
                {DNNL_ARG_DIFF_SRC, onednn::viewed(plain_.x, dx)}});
    return dx;
  }

  /// By weight and bias.
  std::pair<torch::Tensor, torch::Tensor> gradients_by_weight(const torch::Tensor& x,
                                                              const torch::Tensor& weight,
                                                              const torch::Tensor& dy) const {
    const auto dw = torch::empty_strided(weight.sizes(), weight.strides(), weight.options());
    if (product_) {
      run(product_, {{DNNL_ARG_SRC, onednn::viewed(product_y_, dy)},
                     {DNNL_ARG_WEIGHTS, onednn::viewed(product_x_, x)},
                     {DNNL_ARG_DST, onednn::viewed(product_weight_, dw)}});
      return {dw, dy.sum(torch::IntArrayRef{0, 2, 3})};
    }
    const auto db = torch::empty({weight.size(0)}, weight.options());
    const auto room = to_plain_.room_for(dw);
    run(by_weight_, {{DNNL_ARG_SRC, onednn::viewed(plain_.x, x)},
                     {DNNL_ARG_DIFF_DST, onednn::viewed(plain_.y, dy)},
                     {DNNL_ARG_DIFF_WEIGHTS, room},
                     {DNNL_ARG_DIFF_BIAS, onednn::viewed(plain_.bias, db)}});
    to_plain_.write(room, dw);
    return {dw, db};
  }

 private:
  /// The gradient by a weight of 1x1 is dy^T x over all pixels: oneDNN's matrix products take less
  /// time for it than its convolutions.
  void plan_product(const torch::Tensor& x, const torch::Tensor& weight) {
    const auto in = x.size(1), out = weight.size(0), count = x.numel() / in;
    const auto type = onednn::type_of(x);
    product_y_ = {{out, count}, type, memory::dims{1, out}};
    product_x_ = {{count, in}, type, memory::dims{in, 1}};
    product_weight_ = {{out, in}, type, memory::dims{in, 1}};
    product_ = dnnl::matmul(onednn::product(product_y_, product_x_, product_weight_));
  }

  Geometry geometry_;
  onednn::ConvolutionShape plain_;  // as the tensors lie in memory
  dnnl::convolution_forward forward_;
  dnnl::convolution_backward_data by_x_;
  dnnl::convolution_backward_weights by_weight_;  // or else
  dnnl::matmul product_;
  Reordering to_forward_order_, to_by_x_order_, to_plain_;  // of weights and their gradient
  memory::desc product_y_, product_x_, product_weight_;
};

/// Plans by what they were made for.
class Plans {
 public:
  /// Null where oneDNN has none.
  std::shared_ptr<const Plan> find(const torch::Tensor& x, const torch::Tensor& weight,
                                   const torch::Tensor& bias, Geometry g) {
    std::vector<int64_t> key = {x.scalar_type() == torch::kFloat32, weight.is_contiguous(),
                                at::get_num_threads(), g.stride, g.padding};
    key.insert(key.end(), x.sizes().begin(), x.sizes().end());
    key.insert(key.end(), weight.sizes().begin(), weight.sizes().end());
    const std::lock_guard lock(mutex_);
    const auto found = by_shape_.find(key);
    if (found != by_shape_.end()) return found->second;
    constexpr size_t kMost = 1024;
    if (by_shape_.size() == kMost) by_shape_.clear();
    return by_shape_.emplace(std::move(key), make(x, weight, bias, g)).first->second;
  }

 private:
  static std::shared_ptr<const Plan> make(const torch::Tensor& x, const torch::Tensor& weight,
                                          const torch::Tensor& bias, Geometry g) try {
    return std::make_shared<Plan>(x, weight, bias, g);
  } catch (const dnnl::error&) {  // bfloat16 on a processor without AVX-512
    return nullptr;
  }

  std::mutex mutex_;
  std::map<std::vector<int64_t>, std::shared_ptr<const Plan>> by_shape_;
};

std::shared_ptr<const Plan> plan_for(const torch::Tensor& x, const torch::Tensor& weight,
                                     const torch::Tensor& bias, Geometry g) {
  static Plans plans;
  return plans.find(x, weight, bias, g);
}

struct DirectConvolution final : torch::autograd::Function<DirectConvolution> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x,
                               const torch::Tensor& weight, const torch::Tensor& bias,
                               int64_t stride, int64_t padding) {
    context->save_for_backward({x, weight, bias});
    context->saved_data["stride"] = stride;
    context->saved_data["padding"] = padding;
    return plan_for(x, weight, bias, {stride, padding})->forward(x, weight, bias);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const Geometry g = {context->saved_data["stride"].toInt(),
                        context->saved_data["padding"].toInt()};
    const auto in = context->get_saved_variables();
    const auto &x = in[0], &weight = in[1], &bias = in[2];
    variable_list result(5);  // none for stride and padding
    if (needs_graph(gradients[0])) {
      const auto found = differentiable_gradient(
          [g](const auto& of) {
            return convolution_composed(of[0], of[1], of[2], g.stride, g.padding);
          },
          in, gradients[0]);
      std::copy(found.begin(), found.end(), result.begin());
      return result;
    }
    const auto plan = plan_for(x, weight, bias, g);
    const auto dy = channels_last(gradients[0]);
    if (context->needs_input_grad(0)) result[0] = plan->gradient_by_x(x, weight, dy);
    if (context->needs_input_grad(1) || context->needs_input_grad(2)) {
      std::tie(result[1], result[2]) = plan->gradients_by_weight(x, weight, dy);
    }
    return result;
  }
};

bool is_direct(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias) {
  const auto type = x.scalar_type();
  return bias.defined() && x.dim() == 4 && x.numel() > 0 && x.device().is_cpu() &&
         weight.scalar_type() == type && bias.scalar_type() == type && fusable({x, weight, bias});
}

torch::Tensor dense(const torch::Tensor& weight) {
  return weight.is_contiguous() ? weight : channels_last(weight);
}

}  // namespace

torch::Tensor convolution(const torch::Tensor& x, const torch::Tensor& weight,
                          const torch::Tensor& bias, int64_t stride, int64_t padding) {
  RECORD_FUNCTION("halcyon::convolution", std::vector<c10::IValue>());
  if (is_direct(x, weight, bias)) {
    const auto in = channels_last(x), w = dense(weight), b = bias.contiguous();
    if (plan_for(in, w, b, {stride, padding})) {
      return DirectConvolution::apply(in, w, b, stride, padding);
    }
  }
  return convolution_composed(x, weight, bias, stride, padding);
}

#else  // LibTorch brings oneDNN without its headers

torch::Tensor convolution(const torch::Tensor& x, const torch::Tensor& weight,
                          const torch::Tensor& bias, int64_t stride, int64_t padding) {
  return convolution_composed(x, weight, bias, stride, padding);
}

#endif

torch::Tensor convolution_composed(const torch::Tensor& x, const torch::Tensor& weight,
                                   const torch::Tensor& bias, int64_t stride, int64_t padding) {
  return torch::conv2d(x, weight, bias, stride, padding);
}

}  // namespace halcyon
