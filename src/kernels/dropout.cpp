#include "kernels/dropout.h"

#include <ATen/record_function.h>
#include <torch/autograd.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cuda/device_work.h"
#include "kernels/dropout_loops.h"
#include "kernels/fusion.h"
#include "kernels/parallel.h"

namespace halcyon {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

template <class T>
void drop_all(const torch::Tensor& x, const torch::Tensor& y, const torch::Tensor& seed, double p) {
  const auto threshold = static_cast<uint32_t>(std::min(std::round(p * 0x1p32), 0x1p32 - 1));
  const auto scale = static_cast<float>(1 / (1 - p));
  const auto* from = static_cast<const T*>(x.data_ptr());
  auto* to = static_cast<T*>(y.data_ptr());
  if (x.is_cuda()) {
    const cuda::DeviceWork work(x.device());
    cuda::drop(from, to, x.numel(), seed.data_ptr<int64_t>(), threshold, scale, work.stream());
    return;
  }
  const auto key = static_cast<uint64_t>(seed.item<int64_t>());
  parallel_for(x.numel(), [&](int64_t begin, int64_t end) {
    drop(from, to, begin, end, key, threshold, scale);
  });
}

/// Linear in x: the gradient is the same map, and so are those of higher order.
struct Drop final : torch::autograd::Function<Drop> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x,
                               const torch::Tensor& seed, double p) {
    context->saved_data["seed"] = seed;
    context->saved_data["p"] = p;
    context->saved_data["channels_last"] = !x.is_contiguous();
    const auto y = torch::empty_like(x);
    x.scalar_type() == torch::kFloat32 ? drop_all<float>(x, y, seed, p)
                                       : drop_all<simd::BFloat16>(x, y, seed, p);
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto format = context->saved_data["channels_last"].toBool()
                            ? at::MemoryFormat::ChannelsLast
                            : at::MemoryFormat::Contiguous;
    return {Drop::apply(gradients[0].contiguous(format), context->saved_data["seed"].toTensor(),
                        context->saved_data["p"].toDouble()),
            {},
            {}};
  }
};

}  // namespace

torch::Tensor dropout(const torch::Tensor& x, double p, at::Generator& rng) {
  RECORD_FUNCTION("halcyon::dropout", std::vector<c10::IValue>());
  const bool ordered = x.is_contiguous() || x.is_contiguous(at::MemoryFormat::ChannelsLast);
  if (!fusable({x}) || !ordered) {
    const auto mask = torch::empty(x.sizes(), x.options()).bernoulli_(1 - p, rng);
    return (x * mask) / (1 - p);
  }
  // On the device: no seed is waited for, and work that is recorded and replayed draws anew.
  const auto seed = torch::randint(std::numeric_limits<int64_t>::max(), {1}, rng,
                                   torch::TensorOptions(torch::kInt64).device(x.device()));
  return Drop::apply(x, seed, p);
}

}  // namespace halcyon
