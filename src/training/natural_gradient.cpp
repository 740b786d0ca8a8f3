#include "training/natural_gradient.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/random.h"
#include "training/step_objective.h"

namespace halcyon {
namespace {

constexpr int64_t kReviewEvery = 5;
constexpr double kDampingChange = 0.7737809375;  // (19/20)^5
constexpr double kDampingRange = 1e3;

/// At the first step, whenever it is time, and as the first measurements double in number.
bool decomposition_is_due(const NaturalOptions& options, int64_t step) {
  const auto before = step - 1;
  if (before % options.inverse_every == 0) return true;
  const auto measured = before / options.factor_every + 1;
  const bool doubled = (measured & (measured - 1)) == 0;
  return before < options.inverse_every && before % options.factor_every == 0 && doubled;
}

}  // namespace

NaturalGradient::NaturalGradient(CurvatureKind kind, const torch::nn::Module& module,
                                 const FlatParameters& parameters, uint64_t seed)
    : slots_(parameters.slots()),
      space_(module),
      running_(kind, space_),
      targets_rng_(make_generator(seed, "targets", 0, parameters.values().device())),
      velocity_(torch::zeros({space_.dim()}, parameters.values().options())) {}

void NaturalGradient::observe(const StepObjective& objective, const OptimizerOptions& options,
                              int64_t step) {
  const auto& natural = options.natural;
  if (natural.damping_rule == DampingRule::fixed || damping_ == 0) damping_ = natural.damping;
  if ((step - 1) % natural.factor_every == 0) {
    objective.regress(natural.images, [&](Denoiser& denoiser, const RegressionBatch& batch) {
      const TappedBatch tapped(denoiser, space_, batch);
      running_.add(tapped, natural.targets, natural.factor_decay, targets_rng_);
    });
  }
  if (decomposition_is_due(natural, step)) running_.decompose();
}

torch::Tensor NaturalGradient::in_space(const torch::Tensor& flat) const {
  std::vector<torch::Tensor> parts;
  for (const auto& slot : slots_) parts.push_back(slot.view(flat).reshape({-1}));
  return torch::cat(parts);
}

void NaturalGradient::update(const torch::Tensor& values, const torch::Tensor& gradient,
                             const OptimizerOptions& options, double rate, int64_t number) {
  const torch::NoGradGuard no_grad;
  TORCH_CHECK(running_.curvature(), "NaturalGradient: update() before observe()");
  const auto& curvature = *running_.curvature();
  const auto g = in_space(gradient);
  const auto velocity = options.momentum * velocity_ + curvature.solve(g, damping_);

  const double kl = 0.5 * curvature.quadratic(velocity);  // of a step of rate 1
  if (!std::isfinite(kl)) {
    throw NonFiniteError(fmt::format(
        "step {}: the natural gradient is not finite; try a higher optimizer.natural.damping",
        number));
  }
  velocity_.copy_(velocity);
  const double full = kl * options.learning_rate * options.learning_rate;
  const double limit = options.natural.kl_clip;
  const double scale = rate * (limit > 0 && full > limit ? std::sqrt(limit / full) : 1);
  step_kl_ = kl * scale * scale;
  foretold_ = step_kl_ - scale * g.dot(velocity_).item<double>();

  if (options.weight_decay > 0) values.mul_(1 - rate * options.weight_decay);
  for (size_t i = 0; i < slots_.size(); ++i) {
    const auto& place = space_.blocks()[i];
    const auto step = velocity_.narrow(0, place.begin, place.count).view(slots_[i].shape);
    slots_[i].view(values).add_(step, -scale);
  }
}

void NaturalGradient::review(const StepObjective& objective, const OptimizerOptions& options,
                             int64_t step) {
  const auto& natural = options.natural;
  const bool due = natural.damping_rule == DampingRule::levenberg_marquardt &&
                   step % kReviewEvery == 0 && foretold_ < 0;
  if (!due) return;
  const double share = (objective.evaluate() - objective.loss()) / foretold_;
  if (share > 0.75) damping_ *= kDampingChange;
  if (!(share >= 0.25)) damping_ /= kDampingChange;
  damping_ = std::clamp(damping_, natural.damping / kDampingRange, natural.damping * kDampingRange);
}

TensorMap NaturalGradient::velocities() const {
  TensorMap tensors;
  for (size_t i = 0; i < slots_.size(); ++i) {
    const auto& place = space_.blocks()[i];
    tensors["velocity." + slots_[i].name] =
        velocity_.narrow(0, place.begin, place.count).view(slots_[i].shape);
  }
  return tensors;
}

TensorMap NaturalGradient::own_tensors() const {
  auto tensors = velocities();
  tensors["damping"] = torch::tensor(damping_, torch::kFloat64);
  tensors["rng.targets"] = targets_rng_.get_state();
  return tensors;
}

TensorMap NaturalGradient::tensors(const FlatParameters&) const {
  auto tensors = own_tensors();
  tensors.merge(running_.tensors());
  return tensors;
}

void NaturalGradient::load(const TensorMap& tensors, const FlatParameters&) {
  const torch::NoGradGuard no_grad;
  TensorMap running, rest;
  for (const auto& [name, tensor] : tensors) {
    (name.rfind("curvature.", 0) == 0 ? running : rest)[name] = tensor;
  }
  require_same_layout(rest, own_tensors());
  running_.load(running);
  for (const auto& [name, tensor] : velocities()) torch::Tensor(tensor).copy_(rest.at(name));
  damping_ = rest.at("damping").item<double>();
  targets_rng_.set_state(rest.at("rng.targets"));
}

std::vector<std::pair<std::string, double>> NaturalGradient::figures() const {
  return {{"step_kl", step_kl_}, {"damping", damping_}};
}

}  // namespace halcyon
