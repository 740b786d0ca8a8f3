#pragma once

#include <vector>

#include "training/ema.h"
#include "training/flat_parameters.h"
#include "training/optimizer.h"

namespace halcyon {

/// Norm of the gradient of all parameters together.
double gradient_norm(const FlatParameters& parameters);

/// Where a step stands.
struct UpdateTime {
  int64_t step;    ///< of the optimiser, from 1
  int64_t batch;   ///< images of the step
  int64_t images;  ///< seen with it
  double rate;     ///< learning rate
  /// What the gradient is of; null: nothing more is known of it.
  const StepObjective* objective = nullptr;
};

/// Clips the gradient, of the norm given, and takes a step of the optimiser; the averages and the
/// module's copies follow: clip_gradient(), Optimizer::update() and Ema::update() one after the
/// other.  Of AdamW in float32 it is one pass over memory, on the CPU and, in a build with CUDA, on
/// a GPU.  The gradient of an optimiser that observes is not clipped.
void update_parameters(FlatParameters& parameters, Optimizer& optimizer, std::vector<Ema>& averages,
                       const OptimizerOptions& options, double norm, const UpdateTime& time);

}  // namespace halcyon
