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
};

/// Clips the gradient, of the norm given, and takes a step of AdamW; the averages and the module's
/// copies follow.  In float32 it is one pass over memory, on the CPU and, in a build with CUDA, on
/// a GPU; else it is clip_gradient(), AdamW::update() and Ema::update() one after the other, which
/// say what is computed.
void update_parameters(FlatParameters& parameters, AdamW& optimizer, std::vector<Ema>& averages,
                       const OptimizerOptions& options, double norm, const UpdateTime& time);

}  // namespace halcyon
