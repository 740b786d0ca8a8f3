#include "kernels/fixed_convolution.h"

#include <ATen/record_function.h>
#include <torch/autograd.h>
#include <torch/types.h>

#ifdef HALCYON_HAS_ONEDNN
#include <map>
#include <optional>

#include "kernels/onednn.h"
#endif

#include "kernels/fusion.h"

namespace halcyon {

#ifdef HALCYON_HAS_ONEDNN

using dnnl::memory;
using onednn::described;
using onednn::viewed;

/// What was worked out for each shape of x.
struct FixedConvolution::Plans {
  struct Plan {
    onednn::Task run;
    onednn::Ordered weight;
    memory::desc x, y;
  };

  torch::Tensor weight, bias;
  int64_t stride, padding;
  std::map<std::vector<int64_t>, std::optional<Plan>> by_shape;

  /// None where oneDNN has none.
  std::optional<Plan>& plan(const torch::Tensor& x, const torch::Tensor& y) {
    const auto found = by_shape.find(x.sizes().vec());
    if (found != by_shape.end()) return found->second;
    constexpr size_t kMost = 8;  // each may hold an order of the weights of its own
    if (by_shape.size() == kMost) by_shape.clear();
    return by_shape.emplace(x.sizes().vec(), make(x, y)).first->second;
  }

  std::optional<Plan> make(const torch::Tensor& x, const torch::Tensor& y) try {
    const auto x_desc = onednn::pixels(x), y_desc = onednn::pixels(y);
    const auto chosen = onednn::forward(
        {x_desc, onednn::any_order(weight), described(bias), y_desc, stride, padding},
        dnnl::prop_kind::forward_inference);
    return Plan{onednn::Task(chosen), in_order(chosen.weights_desc()), x_desc, y_desc};
  } catch (const dnnl::error& error) {
    if (error.status == dnnl_unimplemented) return std::nullopt;  // bfloat16 before AVX-512
    TORCH_CHECK(false, "oneDNN: ", error.what());
  }

  onednn::Ordered in_order(const memory::desc& order) const {
    for (const auto& [shape, other] : by_shape) {
      if (other && other->weight.view.get_desc() == order) return other->weight;
    }
    auto ordered = onednn::room_for(order);
    onednn::Task(onednn::reordering(described(weight), order))(
        {{DNNL_ARG_FROM, viewed(described(weight), weight)}, {DNNL_ARG_TO, ordered.view}});
    return ordered;
  }
};

FixedConvolution::FixedConvolution(const torch::Tensor& weight, const torch::Tensor& bias,
                                   int64_t stride, int64_t padding)
    : plans_(new Plans{.weight = weight.detach(),
                       .bias = bias.detach().contiguous(),
                       .stride = stride,
                       .padding = padding,
                       .by_shape = {}}) {}

std::unique_ptr<FixedConvolution> FixedConvolution::make(const torch::Tensor& weight,
                                                         const torch::Tensor& bias, int64_t stride,
                                                         int64_t padding) {
  if (!fusable({weight.detach()}) || bias.scalar_type() != weight.scalar_type()) return nullptr;
  return std::make_unique<FixedConvolution>(weight, bias, stride, padding);
}

torch::Tensor FixedConvolution::operator()(const torch::Tensor& x) {
  RECORD_FUNCTION("halcyon::fixed_convolution", std::vector<c10::IValue>());
  auto& p = *plans_;
  TORCH_CHECK(x.scalar_type() == p.weight.scalar_type() && x.dim() == 4, "x is ", x.scalar_type());
  const auto in = x.contiguous(at::MemoryFormat::ChannelsLast);
  const auto y = onednn::output_of(in, p.weight, p.stride, p.padding);
  const auto& plan = p.plan(in, y);
  if (!plan) return torch::conv2d(in, p.weight, p.bias, p.stride, p.padding);
  plan->run({{DNNL_ARG_SRC, viewed(plan->x, in)},
             {DNNL_ARG_WEIGHTS, plan->weight.view},
             {DNNL_ARG_BIAS, viewed(described(p.bias), p.bias)},
             {DNNL_ARG_DST, viewed(plan->y, y)}});
  return y;
}

#else  // LibTorch brings oneDNN without its headers

struct FixedConvolution::Plans {};

FixedConvolution::FixedConvolution(const torch::Tensor&, const torch::Tensor&, int64_t, int64_t) {
  TORCH_CHECK(false, "built without oneDNN");
}

std::unique_ptr<FixedConvolution> FixedConvolution::make(const torch::Tensor&, const torch::Tensor&,
                                                         int64_t, int64_t) {
  return nullptr;
}

torch::Tensor FixedConvolution::operator()(const torch::Tensor&) {
  TORCH_CHECK(false, "built without oneDNN");
}

#endif

FixedConvolution::~FixedConvolution() = default;

bool FixedConvolution::takes(const torch::Tensor& x) {
  return !at::GradMode::is_enabled() && fusable({x});
}

}  // namespace halcyon
