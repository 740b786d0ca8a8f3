#include "kernels/fixed_convolution.h"

#include <ATen/record_function.h>
#include <torch/autograd.h>
#include <torch/types.h>

#ifdef HALCYON_HAS_ONEDNN
#include <map>
#include <utility>

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
    dnnl::convolution_forward run;
    memory weight;
    memory::desc x, y;
  };

  torch::Tensor weight, bias;
  int64_t stride, padding;
  dnnl::stream stream = onednn::stream();
  std::map<std::vector<int64_t>, Plan> by_shape;

  Plan& plan(const torch::Tensor& x, const torch::Tensor& y) {
    const auto found = by_shape.find(x.sizes().vec());
    if (found != by_shape.end()) return found->second;
    constexpr size_t kMost = 8;  // each may hold an order of the weights of its own
    if (by_shape.size() == kMost) by_shape.clear();
    return by_shape.emplace(x.sizes().vec(), make(x, y)).first->second;
  }

  Plan make(const torch::Tensor& x, const torch::Tensor& y) {
    const auto x_desc = onednn::pixels(x), y_desc = onednn::pixels(y);
    const auto chosen = onednn::forward(
        {x_desc, onednn::any_order(weight), described(bias), y_desc, stride, padding},
        dnnl::prop_kind::forward_inference);
    for (const auto& [shape, other] : by_shape) {
      if (other.weight.get_desc() == chosen.weights_desc()) {
        return {dnnl::convolution_forward(chosen), other.weight, x_desc, y_desc};
      }
    }
    auto plain = viewed(described(weight), weight);
    memory ordered(chosen.weights_desc(), onednn::processor());
    dnnl::reorder(plain, ordered).execute(stream, plain, ordered);
    stream.wait();
    return {dnnl::convolution_forward(chosen), ordered, x_desc, y_desc};
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
  const auto side = [&](int64_t size) {
    return (size + 2 * p.padding - p.weight.size(2)) / p.stride + 1;
  };
  const auto y = torch::empty({x.size(0), p.weight.size(0), side(x.size(2)), side(x.size(3))},
                              x.options(), at::MemoryFormat::ChannelsLast);
  auto& plan = p.plan(in, y);
  plan.run.execute(p.stream, {{DNNL_ARG_SRC, viewed(plan.x, in)},
                              {DNNL_ARG_WEIGHTS, plan.weight},
                              {DNNL_ARG_BIAS, viewed(described(p.bias), p.bias)},
                              {DNNL_ARG_DST, viewed(plan.y, y)}});
  p.stream.wait();
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
