#include "kernels/fixed_convolution.h"

#include <ATen/record_function.h>
#include <torch/autograd.h>
#include <torch/types.h>

#ifdef HALCYON_HAS_ONEDNN
#include <dnnl.hpp>
#include <map>
#include <utility>
#endif

#include "kernels/fusion.h"

namespace halcyon {

#ifdef HALCYON_HAS_ONEDNN

namespace {

using dnnl::memory;

const dnnl::engine& processor() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

memory::data_type onednn_type(const torch::Tensor& t) {
  return t.scalar_type() == torch::kFloat32 ? memory::data_type::f32 : memory::data_type::bf16;
}

/// Of images in channels-last memory; strides of sides of length 1 say nothing.
memory::desc pixels(const torch::Tensor& t) {
  return {t.sizes().vec(), onednn_type(t), memory::format_tag::nhwc};
}

/// As it lies in memory.
memory::desc described(const torch::Tensor& t) {
  return {t.sizes().vec(), onednn_type(t), t.strides().vec()};
}

memory viewed(const memory::desc& as, const torch::Tensor& t) {
  return {as, processor(), t.data_ptr()};
}

/// oneDNN's choice for these shapes, with the order of weights that suits it.
dnnl::convolution_forward::primitive_desc choose(const memory::desc& x, const memory::desc& weight,
                                                 const memory::desc& bias, const memory::desc& y,
                                                 int64_t stride, int64_t padding) {
  const auto inference = dnnl::prop_kind::forward_inference;
  const auto direct = dnnl::algorithm::convolution_direct;
  const memory::dims strides = {stride, stride}, edge = {padding, padding};
#if DNNL_VERSION_MAJOR >= 3
  return {processor(), inference, direct, x, weight, bias, y, strides, edge, edge};
#else
  return {{inference, direct, x, weight, bias, y, strides, edge, edge}, processor()};
#endif
}

}  // namespace

/// What was worked out for each shape of x.
struct FixedConvolution::Plans {
  struct Plan {
    dnnl::convolution_forward run;
    memory weight;
    memory::desc x, y;
  };

  torch::Tensor weight, bias;
  int64_t stride, padding;
  dnnl::stream stream{processor()};
  std::map<std::vector<int64_t>, Plan> by_shape;

  Plan& plan(const torch::Tensor& x, const torch::Tensor& y) {
    const auto found = by_shape.find(x.sizes().vec());
    if (found != by_shape.end()) return found->second;
    constexpr size_t kMost = 8;  // each may hold an order of the weights of its own
    if (by_shape.size() == kMost) by_shape.clear();
    return by_shape.emplace(x.sizes().vec(), make(x, y)).first->second;
  }

  Plan make(const torch::Tensor& x, const torch::Tensor& y) {
    const auto x_desc = pixels(x), y_desc = pixels(y);
    const memory::desc any(weight.sizes().vec(), onednn_type(weight), memory::format_tag::any);
    const auto chosen = choose(x_desc, any, described(bias), y_desc, stride, padding);
    for (const auto& [shape, other] : by_shape) {
      if (other.weight.get_desc() == chosen.weights_desc()) {
        return {dnnl::convolution_forward(chosen), other.weight, x_desc, y_desc};
      }
    }
    auto plain = viewed(described(weight), weight);
    memory ordered(chosen.weights_desc(), processor());
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
