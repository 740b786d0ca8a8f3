#include "kernels/attention.h"

#include <ATen/record_function.h>
#include <torch/autograd.h>
#include <torch/types.h>

#include <cmath>

#include "kernels/cuda/device_work.h"
#include "kernels/fusion.h"
#include "kernels/parallel.h"
#include "kernels/softmax_loops.h"

namespace halcyon {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

double scale_of(const torch::Tensor& query) {
  return 1 / std::sqrt(static_cast<double>(query.size(2)));
}

/// work(zero of the element type)
template <class Work>
void dispatch(const torch::Tensor& x, const Work& work) {
  if (x.scalar_type() == torch::kFloat32) {
    work(float());
  } else {
    work(simd::BFloat16());
  }
}

/// work(first row, rows) on all threads.
template <class Work>
void for_rows(const torch::Tensor& x, const Work& work) {
  parallel_for(x.size(0) * x.size(1),
               [&](int64_t begin, int64_t end) { work(begin, end - begin); });
}

template <class T>
T* row(const torch::Tensor& x, int64_t index) {
  return static_cast<T*>(x.data_ptr()) + index * x.size(2);
}

/// softmax(scale x) over the last dimension, in place.
void softmax_(const torch::Tensor& x, double scale) {
  const auto factor = static_cast<float>(scale);
  dispatch(x, [&](auto zero) {
    using T = decltype(zero);
    if (x.is_cuda()) {
      const cuda::DeviceWork work(x.device());
      cuda::softmax_rows(row<T>(x, 0), x.size(0) * x.size(1), x.size(2), factor, work.stream());
      return;
    }
    for_rows(x, [&](int64_t first, int64_t rows) {
      std::vector<float> scratch(static_cast<size_t>(x.size(2) + simd::kWidth));
      softmax_rows(row<T>(x, first), rows, x.size(2), factor, scratch.data());
    });
  });
}

void softmax_backward_(const torch::Tensor& weights, const torch::Tensor& gradient, double scale) {
  const auto factor = static_cast<float>(scale);
  dispatch(gradient, [&](auto zero) {
    using T = decltype(zero);
    const int64_t length = gradient.size(2);
    if (gradient.is_cuda()) {
      const cuda::DeviceWork work(gradient.device());
      cuda::softmax_rows_backward<T>(row<T>(weights, 0), row<T>(gradient, 0),
                                     gradient.size(0) * gradient.size(1), length, factor,
                                     work.stream());
      return;
    }
    for_rows(gradient, [&](int64_t first, int64_t rows) {
      softmax_rows_backward(row<T>(weights, first), row<T>(gradient, first), rows, length, factor);
    });
  });
}

struct FusedAttention final : torch::autograd::Function<FusedAttention> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& query,
                               const torch::Tensor& key, const torch::Tensor& value) {
    const auto weights = torch::bmm(query, key.transpose(1, 2));
    softmax_(weights, scale_of(query));
    context->save_for_backward({query, key, value, weights});
    return torch::bmm(weights, value);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto &query = saved[0], &key = saved[1], &value = saved[2], &weights = saved[3];
    if (needs_graph(gradients[0])) {
      return differentiable_gradient(
          [](const auto& in) { return attention_composed(in[0], in[1], in[2]); },
          {query, key, value}, gradients[0]);
    }
    const auto gradient = gradients[0].contiguous();
    const auto scores = torch::bmm(gradient, value.transpose(1, 2));
    softmax_backward_(weights, scores, scale_of(query));
    return {torch::bmm(scores, key), torch::bmm(scores.transpose(1, 2), query),
            torch::bmm(weights.transpose(1, 2), gradient)};
  }
};

}  // namespace

torch::Tensor attention_composed(const torch::Tensor& query, const torch::Tensor& key,
                                 const torch::Tensor& value) {
  const auto scores = torch::bmm(scale_of(query) * query, key.transpose(1, 2));
  return torch::bmm(torch::softmax(scores, -1), value);
}

torch::Tensor attention(const torch::Tensor& query, const torch::Tensor& key,
                        const torch::Tensor& value) {
  RECORD_FUNCTION("halcyon::attention", std::vector<c10::IValue>());
  if (!fusable({query, key, value})) return attention_composed(query, key, value);
  return FusedAttention::apply(query, key, value);
}

}  // namespace halcyon
