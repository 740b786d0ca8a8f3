#include "training/natural_gradient.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/random.h"
#include "core/torch.h"
#include "training/step_objective.h"

namespace halcyon {
namespace {

constexpr int64_t kReviewEvery = 5;
constexpr double kDampingChange = 0.7737809375;  // (19/20)^5
constexpr double kDampingRange = 1e3;
constexpr int kMostAttempts = 10;
/// By so much a length may be changed without another look at what it does.
constexpr double kTrust = 2;

/// Whenever it is time, and as the first measurements double in number.
bool decomposition_is_due(const NaturalOptions& options, int64_t steps_before) {
  if (steps_before % options.inverse_every == 0) return true;
  const auto measured = steps_before / options.factor_every + 1;
  return steps_before < options.inverse_every && (measured & (measured - 1)) == 0;
}

}  // namespace

NaturalGradient::NaturalGradient(CurvatureKind kind, const torch::nn::Module& module,
                                 const FlatParameters& parameters, uint64_t seed)
    : slots_(parameters.slots()),
      space_(module),
      running_(kind, space_),
      targets_rng_(make_generator(seed, "targets", 0, parameters.values().device())),
      velocity_(torch::zeros({space_.dim()}, parameters.values().options())) {}

void NaturalGradient::measure_curvature(const StepObjective& objective,
                                        const NaturalOptions& options, int64_t step) {
  const auto before = step - 1;
  if (before % options.factor_every != 0 && running_.curvature()) return;
  const bool renewed = decomposition_is_due(options, before);
  objective.regress(options.images, [&](Denoiser& denoiser, const RegressionBatch& batch) {
    const TappedBatch tapped(denoiser, space_, batch);
    running_.add(tapped, {options.targets, options.sharing, options.factor_decay, renewed},
                 targets_rng_);
  });
}

torch::Tensor NaturalGradient::in_space(const torch::Tensor& flat) const {
  std::vector<torch::Tensor> parts;
  for (const auto& slot : slots_) parts.push_back(slot.view(flat).reshape({-1}));
  return torch::cat(parts);
}

void NaturalGradient::move(const torch::Tensor& values, double nu) const {
  for (size_t i = 0; i < slots_.size(); ++i) {
    const auto& place = space_.blocks()[i];
    const auto v = velocity_.narrow(0, place.begin, place.count).view(slots_[i].shape);
    slots_[i].view(values).add_(v, -nu);
  }
}

NaturalGradient::Trial NaturalGradient::try_step(const OptimizerStep& step, double limit,
                                                 double square) {
  if (limit > 0 && stiffness_ == 0) {
    stiffness_ = running_.curvature()->quadratic(velocity_) / (2 * square);
  }
  Trial trial = {0, 0, 0};
  double nu = limit > 0 ? std::min(step.rate, std::sqrt(limit / (stiffness_ * square))) : step.rate;
  for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
    move(step.values, nu - trial.nu);
    const auto now = step.objective->evaluate();
    trial = {nu, now.loss, now.kl};
    if (limit <= 0) break;
    const double wanted = std::sqrt(limit / now.kl);  // times nu, were the nats a square
    const bool far = !(wanted > 1 / kTrust);
    const bool near = wanted > kTrust && nu < step.rate;
    if (!far && !near) break;
    nu = std::min(step.rate, nu * (std::isnan(wanted) ? 0.1 : std::clamp(wanted, 0.1, 10.0)));
  }
  return trial;
}

void NaturalGradient::review_damping(const NaturalOptions& options, double share) {
  if (share > 0.75) damping_ *= kDampingChange;
  if (!(share >= 0.25)) damping_ /= kDampingChange;
  damping_ = std::clamp(damping_, options.damping / kDampingRange, options.damping * kDampingRange);
}

void NaturalGradient::update(const OptimizerStep& step, const OptimizerOptions& options) {
  const torch::NoGradGuard no_grad;
  TORCH_CHECK(step.objective != nullptr, "NaturalGradient: a step without its objective");
  const auto& natural = options.natural;
  const bool adaptive = natural.damping_rule == DampingRule::levenberg_marquardt;
  if (!adaptive || damping_ == 0) damping_ = natural.damping;
  measure_curvature(*step.objective, natural, step.number);

  const auto g = in_space(step.gradient);
  velocity_.mul_(natural.momentum).add_(running_.curvature()->solve(g, damping_));
  const double share = step.rate / options.learning_rate;
  const double limit = natural.kl_clip * share * share;
  const double square = velocity_.square().sum(torch::kFloat64).item<double>();
  const auto trial = try_step(step, limit, square);
  if (!std::isfinite(trial.kl) || (trial.nu <= 0 && step.rate > 0)) {
    throw NonFiniteError(fmt::format(
        "step {}: a natural step of rate {:.3g} changes the loss by {:.3g} nats; try a higher "
        "optimizer.natural.damping or a lower optimizer.learning_rate",
        step.number, trial.nu, trial.kl));
  }
  const double foretold = trial.kl - trial.nu * g.dot(velocity_).item<double>();
  if (adaptive && step.number % kReviewEvery == 0 && foretold < 0) {
    review_damping(natural, (trial.loss - step.objective->loss()) / foretold);
  }

  double nu = trial.nu;
  if (limit > 0 && trial.kl > 0) nu = std::min(step.rate, nu * std::sqrt(limit / trial.kl));
  move(step.values, nu - trial.nu);
  step_kl_ = nu > 0 ? trial.kl * (nu / trial.nu) * (nu / trial.nu) : 0;
  if (step_kl_ > 0) stiffness_ = step_kl_ / (nu * nu * square);
  if (options.weight_decay > 0) step.values.mul_(1 - step.rate * options.weight_decay);
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
  tensors["stiffness"] = torch::tensor(stiffness_, torch::kFloat64);
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
  stiffness_ = rest.at("stiffness").item<double>();
  targets_rng_.set_state(rest.at("rng.targets"));
}

std::vector<std::pair<std::string, double>> NaturalGradient::figures() const {
  return {{"step_kl", step_kl_}, {"damping", damping_}};
}

}  // namespace halcyon
