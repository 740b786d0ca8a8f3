#include "models/layers/recompute.h"

#include <torch/custom_class.h>

#include "core/torch.h"

namespace halcyon {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// What is needed to compute f once more, beside its inputs.
struct Recipe final : torch::CustomClassHolder {
  TensorMapping f;
  at::Generator rng;
  torch::Tensor rng_state;  // before f drew
};

/// Puts a generator back to an earlier state for as long as it lives.
class Rewound {
 public:
  Rewound(const at::Generator& rng, const torch::Tensor& state) : rng_(rng) {
    if (!rng_.defined()) return;
    later_ = rng_.get_state();
    rng_.set_state(state);
  }
  ~Rewound() {
    if (rng_.defined()) rng_.set_state(later_);
  }
  Rewound(const Rewound&) = delete;
  Rewound& operator=(const Rewound&) = delete;

 private:
  at::Generator rng_;
  torch::Tensor later_;
};

struct Recomputed final : torch::autograd::Function<Recomputed> {
  static torch::Tensor forward(AutogradContext* context, const c10::intrusive_ptr<Recipe>& recipe,
                               at::TensorList inputs) {
    context->save_for_backward(inputs.vec());
    context->saved_data["recipe"] = c10::IValue::make_capsule(recipe);
    return recipe->f(inputs.vec());
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto recipe =
        c10::static_intrusive_pointer_cast<Recipe>(context->saved_data["recipe"].toCapsule());
    TORCH_CHECK(!at::GradMode::is_enabled(), "recomputed features have no second derivatives");
    variable_list inputs;
    for (const auto& kept : context->get_saved_variables()) {
      inputs.push_back(kept.detach().requires_grad_(kept.requires_grad()));
    }
    const Rewound rewound(recipe->rng, recipe->rng_state);
    const torch::AutoGradMode with_graph(true);
    torch::autograd::backward({recipe->f(inputs)}, {gradients[0]});
    variable_list result(1);  // for the recipe, none
    for (const auto& input : inputs) result.push_back(input.grad());
    return result;
  }
};

}  // namespace

torch::Tensor recomputed(TensorMapping f, const std::vector<torch::Tensor>& inputs,
                         const at::Generator& rng) {
  const auto recipe = c10::make_intrusive<Recipe>();
  recipe->f = std::move(f);
  recipe->rng = rng;
  if (rng.defined()) recipe->rng_state = rng.get_state();
  return Recomputed::apply(recipe, at::TensorList(inputs));
}

}  // namespace halcyon
