#include "kernels/convolution.h"

#include <ATen/record_function.h>
#include <torch/types.h>

#ifdef HALCYON_HAS_ONEDNN
#include <ATen/Parallel.h>
#include <torch/autograd.h>

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <tuple>
#include <utility>
#include <vector>

#include "kernels/fusion.h"
#include "kernels/onednn.h"
#endif

namespace halcyon {

#ifdef HALCYON_HAS_ONEDNN

namespace {

using dnnl::memory;
using onednn::described;
using onednn::Ordered;
using onednn::Task;
using onednn::viewed;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Geometry {
  int64_t stride, padding;

  /// Whether each pixel of y comes from one of x.
  bool is_pointwise(const torch::Tensor& weight) const {
    return weight.size(2) == 1 && weight.size(3) == 1 && stride == 1 && padding == 0;
  }
};

torch::Tensor channels_last(const torch::Tensor& t) {
  return t.contiguous(at::MemoryFormat::ChannelsLast);
}

/// From one order in memory to another.
class Reordering {
 public:
  Reordering() = default;
  Reordering(memory::desc from, memory::desc to) : from_(std::move(from)), to_(std::move(to)) {
    if (needed()) task_ = Task(onednn::reordering(from_, to_));
  }

  /// In the second order: t, which lies in the first, or a copy.
  Ordered read(const torch::Tensor& t) const {
    const auto lying = viewed(from_, t);
    if (!needed()) return {t, lying};
    auto copy = onednn::room_for(to_);
    task_({{DNNL_ARG_FROM, lying}, {DNNL_ARG_TO, copy.view}});
    return copy;
  }

  /// In the first order: t, which lies in the second, or room for what write() puts there.
  Ordered room_for(const torch::Tensor& t) const {
    return needed() ? onednn::room_for(from_) : Ordered{t, viewed(to_, t)};
  }
  void write(const Ordered& room, const torch::Tensor& t) const {
    if (needed()) task_({{DNNL_ARG_FROM, room.view}, {DNNL_ARG_TO, viewed(to_, t)}});
  }

 private:
  bool needed() const { return from_ != to_; }

  memory::desc from_, to_;
  Task task_;
};

/// What oneDNN chose for one shape of images and weights.
class Plan {
 public:
  /// @throws dnnl::error where oneDNN has no such convolution on this processor
  Plan(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias, Geometry g)
      : geometry_(g) {
    const auto y = onednn::output_of(x, weight, g.stride, g.padding);
    plain_ = {onednn::pixels(x), described(weight), described(bias),
              onednn::pixels(y), g.stride,          g.padding};
    auto shape = plain_;
    shape.weight = onednn::any_order(weight);
    const auto to_y = onednn::forward(shape, dnnl::prop_kind::forward_training);
    const auto to_x = onednn::backward_data(shape, to_y);
    forward_ = Task(to_y);
    to_forward_order_ = {plain_.weight, to_y.weights_desc()};
    by_x_ = Task(to_x);
    to_by_x_order_ = {plain_.weight, to_x.weights_desc()};
    if (g.is_pointwise(weight)) {
      plan_product(x, weight);
    } else {
      const auto to_weight = onednn::backward_weights(shape, to_y);
      by_weight_ = Task(to_weight);
      to_plain_ = {to_weight.diff_weights_desc(), plain_.weight};
    }
  }

  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& weight,
                        const torch::Tensor& bias) const {
    const auto y = onednn::output_of(x, weight, geometry_.stride, geometry_.padding);
    const auto ordered = to_forward_order_.read(weight);
    forward_({{DNNL_ARG_SRC, viewed(plain_.x, x)},
              {DNNL_ARG_WEIGHTS, ordered.view},
              {DNNL_ARG_BIAS, viewed(plain_.bias, bias)},
              {DNNL_ARG_DST, viewed(plain_.y, y)}});
    return y;
  }

  torch::Tensor gradient_by_x(const torch::Tensor& x, const torch::Tensor& weight,
                              const torch::Tensor& dy) const {
    const auto dx = torch::empty_like(x);
    const auto ordered = to_by_x_order_.read(weight);
    by_x_({{DNNL_ARG_DIFF_DST, viewed(plain_.y, dy)},
           {DNNL_ARG_WEIGHTS, ordered.view},
           {DNNL_ARG_DIFF_SRC, viewed(plain_.x, dx)}});
    return dx;
  }

  /// By weight and bias.
  std::pair<torch::Tensor, torch::Tensor> gradients_by_weight(const torch::Tensor& x,
                                                              const torch::Tensor& weight,
                                                              const torch::Tensor& dy) const {
    const auto dw = torch::empty_strided(weight.sizes(), weight.strides(), weight.options());
    if (geometry_.is_pointwise(weight)) {
      by_weight_({{DNNL_ARG_SRC, viewed(product_y_, dy)},
                  {DNNL_ARG_WEIGHTS, viewed(product_x_, x)},
                  {DNNL_ARG_DST, viewed(product_weight_, dw)}});
      return {dw, dy.sum(torch::IntArrayRef{0, 2, 3})};
    }
    const auto db = torch::empty({weight.size(0)}, weight.options());
    const auto room = to_plain_.room_for(dw);
    by_weight_({{DNNL_ARG_SRC, viewed(plain_.x, x)},
                {DNNL_ARG_DIFF_DST, viewed(plain_.y, dy)},
                {DNNL_ARG_DIFF_WEIGHTS, room.view},
                {DNNL_ARG_DIFF_BIAS, viewed(plain_.bias, db)}});
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
    by_weight_ = Task(onednn::product(product_y_, product_x_, product_weight_));
  }

  Geometry geometry_;
  onednn::ConvolutionShape plain_;  // as the tensors lie in memory
  Task forward_, by_x_, by_weight_;
  Reordering to_forward_order_, to_by_x_order_, to_plain_;  // of weights and their gradient
  memory::desc product_y_, product_x_, product_weight_;     // of a weight of 1x1
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
  } catch (const dnnl::error& error) {
    if (error.status == dnnl_unimplemented) return nullptr;  // bfloat16 before AVX-512
    TORCH_CHECK(false, "oneDNN: ", error.what());
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
    const std::array<bool, 3> wanted = {context->needs_input_grad(0), context->needs_input_grad(1),
                                        context->needs_input_grad(2)};
    variable_list result(5);  // none for stride and padding
    const auto plan = needs_graph(gradients[0]) ? nullptr : plan_for(x, weight, bias, g);
    if (!plan) {
      std::tie(result[0], result[1], result[2]) =
          composed_gradients(x, weight, gradients[0], g, wanted);
      return result;
    }
    const auto dy = channels_last(gradients[0]);
    if (wanted[0]) result[0] = plan->gradient_by_x(x, weight, dy);
    if (wanted[1] || wanted[2]) {
      std::tie(result[1], result[2]) = plan->gradients_by_weight(x, weight, dy);
    }
    return result;
  }

  /// LibTorch's, which can be differentiated again.
  static std::tuple<torch::Tensor, torch::Tensor, torch::Tensor> composed_gradients(
      const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& dy, Geometry g,
      const std::array<bool, 3>& wanted) {
    return at::convolution_backward(dy, x, weight, torch::IntArrayRef{weight.size(0)},
                                    {g.stride, g.stride}, {g.padding, g.padding},
                                    /*dilation=*/{1, 1}, /*transposed=*/false,
                                    /*output_padding=*/{0, 0}, /*groups=*/1, wanted);
  }
};

/// Whether oneDNN may be asked; what is wrong in itself is left to LibTorch to refuse.
bool is_direct(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
               Geometry g) {
  if (!bias.defined() || x.dim() != 4 || weight.dim() != 4 || bias.dim() != 1) return false;
  const auto fits = [&](int64_t i) { return x.size(i) + 2 * g.padding >= weight.size(i); };
  const bool agree = weight.size(1) == x.size(1) && bias.size(0) == weight.size(0) &&
                     weight.scalar_type() == x.scalar_type() &&
                     bias.scalar_type() == x.scalar_type();
  const bool here = x.device().is_cpu() && weight.device().is_cpu() && bias.device().is_cpu();
  return agree && here && x.numel() > 0 && weight.numel() > 0 && fits(2) && fits(3) &&
         g.stride > 0 && g.padding >= 0 && fusable({x, weight, bias});
}

torch::Tensor dense(const torch::Tensor& weight) {
  return weight.is_contiguous() ? weight : channels_last(weight);
}

}  // namespace

#endif  // or else LibTorch brings oneDNN without its headers

torch::Tensor convolution(const torch::Tensor& x, const torch::Tensor& weight,
                          const torch::Tensor& bias, int64_t stride, int64_t padding) {
  RECORD_FUNCTION("halcyon::convolution", std::vector<c10::IValue>());
#ifdef HALCYON_HAS_ONEDNN
  const Geometry g = {stride, padding};
  if (is_direct(x, weight, bias, g)) {
    const auto in = channels_last(x), w = dense(weight), b = bias.contiguous();
    if (plan_for(in, w, b, g)) return DirectConvolution::apply(in, w, b, stride, padding);
  }
#endif
  return convolution_composed(x, weight, bias, stride, padding);
}

torch::Tensor convolution_composed(const torch::Tensor& x, const torch::Tensor& weight,
                                   const torch::Tensor& bias, int64_t stride, int64_t padding) {
  return torch::conv2d(x, weight, bias, stride, padding);
}

}  // namespace halcyon
