#pragma once

#include <vector>

#include "training/optimizer.h"
#include "training/running_curvature.h"

namespace halcyon {

/// Natural gradient descent (Amari 1998) with the Fisher information F of the training objective as
/// K-FAC or EKFAC approximate it: for the Gaussian likelihood whose -ln p is the loss, F is also
/// the Gauss-Newton matrix (Martens 2014), and for a network linear in its parameters the Hessian.
///
///     v <- momentum v + (F + damping)^-1 g,   theta <- theta - nu v
///
/// nu is the learning rate, or less: a step changes the likelihood by at most kl_clip nats, times
/// the square of the schedule's share of the rate.  These nats are measured, by another forward
/// pass of the batch, and nu is brought to them by their growth with its square.  By blocks F would
/// not do: along v, where many layers pull together, it is too small by a hundredfold.
///
/// damping_rule = levenberg_marquardt looks every 5th step at how much of the fall of the loss that
/// g^T d + KL foretells does come: above 3/4 of it damping falls to 0.95^5 of itself, below 1/4 it
/// rises as much (Martens and Grosse 2015, section 6.5), within 1e-3 to 1e3 of where it began.
class NaturalGradient final : public Optimizer {
 public:
  NaturalGradient(CurvatureKind kind, const torch::nn::Module& module,
                  const FlatParameters& parameters, uint64_t seed);

  bool observes() const override { return true; }
  void update(const OptimizerStep& step, const OptimizerOptions& options) override;

  TensorMap tensors(const FlatParameters& parameters) const override;
  void load(const TensorMap& tensors, const FlatParameters& parameters) override;
  /// step_kl: what the last step changed the likelihood by, in nats a pixel and channel; damping.
  std::vector<std::pair<std::string, double>> figures() const override;

 private:
  /// A vector laid out as values, as one of the space.
  torch::Tensor in_space(const torch::Tensor& flat) const;
  void measure_curvature(const StepObjective& objective, const NaturalOptions& options,
                         int64_t step);
  /// values <- values - nu v
  void move(const torch::Tensor& values, double nu) const;

  /// A step tried: how far, and what it did.
  struct Trial {
    double nu, loss, kl;
  };
  /// Goes along v, whose |v|^2 is `square`, at most `rate` far, to near `limit` nats (0: any).
  Trial try_step(const OptimizerStep& step, double limit, double square);
  void review_damping(const NaturalOptions& options, double share);

  TensorMap velocities() const;
  /// All but the curvature.
  TensorMap own_tensors() const;

  std::vector<FlatParameters::Slot> slots_;
  ParameterSpace space_;
  RunningCurvature running_;
  at::Generator targets_rng_;
  torch::Tensor velocity_;  // in the space
  double damping_ = 0;      // 0: not begun
  double stiffness_ = 0;    // nats of the last step over its squared length; 0: not known
  double step_kl_ = 0;
};

}  // namespace halcyon
