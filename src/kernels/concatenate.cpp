#include "kernels/concatenate.h"

#include <ATen/record_function.h>
#include <torch/autograd.h>
#include <torch/types.h>

#include "kernels/fusion.h"

namespace halcyon {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Concatenation final : torch::autograd::Function<Concatenation> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& first,
                               const torch::Tensor& second) {
    context->saved_data["channels"] = first.size(1);
    context->saved_data["more"] = second.size(1);
    return torch::cat({first, second}, 1);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto& gradient = gradients[0];
    const auto channels = context->saved_data["channels"].toInt();
    const auto more = context->saved_data["more"].toInt();
    const auto part = [&](int64_t from, int64_t count) {
      return gradient.narrow(1, from, count).contiguous(gradient.suggest_memory_format());
    };
    return {part(0, channels), part(channels, more)};
  }
};

}  // namespace

torch::Tensor concatenate_channels(const torch::Tensor& first, const torch::Tensor& second) {
  RECORD_FUNCTION("halcyon::concatenate_channels", std::vector<c10::IValue>());
  if (!fusable({first, second})) return torch::cat({first, second}, 1);
  return Concatenation::apply(first, second);
}

}  // namespace halcyon
