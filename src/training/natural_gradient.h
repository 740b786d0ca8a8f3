#pragma once

#include <vector>

#include "training/optimizer.h"
#include "training/running_curvature.h"

namespace halcyon {

/// Natural gradient descent (Amari 1998) with the Fisher information F of the training objective as
/// K-FAC or EKFAC approximate it: for the Gaussian likelihood whose -ln p is the loss, F is also
/// the Gauss-Newton matrix (Martens 2014), and for a network linear in its parameters the Hessian.
///
///     v <- momentum v + (F + damping)^-1 g,   theta <- theta - rate nu v
///
/// A step d changes the likelihood by KL = 1/2 d^T F d, so that nu = min(1, sqrt(kl_clip / KL))
/// with KL that of the full learning rate keeps a step within kl_clip: a trust region, which
/// shrinks as the square of the schedule (the rule is that of Ba et al. 2017).
///
/// damping_rule = levenberg_marquardt measures every 5th step how much of the fall of the loss that
/// the model g^T d + 1/2 d^T F d foretells does come: above 3/4 of it damping falls to 0.95^5 of
/// itself, below 1/4 it rises as much (Martens and Grosse 2015, section 6.5), within 1e-3 to 1e3 of
/// where it began.
class NaturalGradient final : public Optimizer {
 public:
  NaturalGradient(CurvatureKind kind, const torch::nn::Module& module,
                  const FlatParameters& parameters, uint64_t seed);

  bool observes() const override { return true; }
  void observe(const StepObjective& objective, const OptimizerOptions& options,
               int64_t step) override;
  void update(const torch::Tensor& values, const torch::Tensor& gradient,
              const OptimizerOptions& options, double rate, int64_t step) override;
  void review(const StepObjective& objective, const OptimizerOptions& options,
              int64_t step) override;

  TensorMap tensors(const FlatParameters& parameters) const override;
  void load(const TensorMap& tensors, const FlatParameters& parameters) override;
  /// step_kl: 1/2 d^T F d of the last step, in nats a pixel and channel; damping.
  std::vector<std::pair<std::string, double>> figures() const override;

 private:
  /// A vector laid out as values, as one of the space.
  torch::Tensor in_space(const torch::Tensor& flat) const;
  TensorMap velocities() const;
  /// All but the curvature.
  TensorMap own_tensors() const;

  std::vector<FlatParameters::Slot> slots_;
  ParameterSpace space_;
  RunningCurvature running_;
  at::Generator targets_rng_;
  torch::Tensor velocity_;  // in the space
  double damping_ = 0;      // 0: not begun
  double foretold_ = 0;     // change of the loss by the last step
  double step_kl_ = 0;
};

}  // namespace halcyon
