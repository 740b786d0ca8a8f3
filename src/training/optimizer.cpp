#include "training/optimizer.h"

#include "core/registry.h"
#include "core/torch.h"
#include "training/adamw.h"
#include "training/muon.h"
#include "training/natural_gradient.h"
#include "training/sgd.h"

namespace halcyon {
namespace {

using Made = std::unique_ptr<Optimizer>;

Made make_adamw(const torch::nn::Module&, const FlatParameters& parameters, uint64_t) {
  return std::make_unique<AdamW>(parameters.values());
}

Made make_sgd(const torch::nn::Module&, const FlatParameters& parameters, uint64_t) {
  return std::make_unique<Sgd>(parameters.values());
}

Made make_muon(const torch::nn::Module& module, const FlatParameters& parameters, uint64_t) {
  return std::make_unique<Muon>(module, parameters);
}

template <CurvatureKind kind>
Made make_natural(const torch::nn::Module& module, const FlatParameters& parameters,
                  uint64_t seed) {
  return std::make_unique<NaturalGradient>(kind, module, parameters, seed);
}

}  // namespace

void Optimizer::load(const TensorMap& tensors, const FlatParameters& parameters) {
  const torch::NoGradGuard no_grad;
  const auto own = this->tensors(parameters);
  require_same_layout(tensors, own);
  for (const auto& [name, tensor] : own) torch::Tensor(tensor).copy_(tensors.at(name));
}

const std::vector<OptimizerEntry>& optimizer_registry() {
  static const std::vector<OptimizerEntry> entries = {
      {"adamw", "AdamW (Loshchilov and Hutter 2019)", false, 2e-4, make_adamw},
      {"sgd", "gradient descent with momentum (Polyak 1964)", false, 2e-4, make_sgd},
      {"muon",
       "orthogonal updates of the layers' matrices, AdamW for the rest (Jordan et al. 2024)", false,
       2e-4, make_muon},
      {"kfac", "natural gradient by Kronecker factors (Martens and Grosse 2015)", true, 1,
       make_natural<CurvatureKind::kfac>},
      {"ekfac", "the same with measured eigenvalues (George et al. 2018)", true, 1,
       make_natural<CurvatureKind::ekfac>}};
  return entries;
}

std::unique_ptr<Optimizer> make_optimizer(const std::string& name, const torch::nn::Module& module,
                                          const FlatParameters& parameters, uint64_t seed) {
  return find_entry(optimizer_registry(), name, "optimizer.name").make(module, parameters, seed);
}

void clip_gradient(const torch::Tensor& gradients, double norm, double limit) {
  if (limit > 0 && norm > limit) gradients.mul_(limit / norm);
}

}  // namespace halcyon
