#pragma once

#include <ATen/core/Generator.h>

#include <array>
#include <functional>
#include <utility>

#include "curvature/tapped_batch.h"

namespace halcyon {

/// Which targets the gradients are of: drawn from the model, or one after the other all that
/// there are to draw from, an output each (d backward passes: for small networks).
enum class FisherTargets { sampled, every };

inline constexpr std::array<std::pair<FisherTargets, const char*>, 2> enum_names(FisherTargets) {
  return {{{FisherTargets::sampled, "sampled"}, {FisherTargets::every, "every"}}};
}

/// Shows what comes back of each target, and how many samples it stands for.  Those of `every`
/// have random signs, which keep the samples' gradients apart where they are summed.
void for_each_backward(
    const TappedBatch& batch, FisherTargets targets, at::Generator& rng,
    const std::function<void(const TappedBatch::Backward&, double samples)>& visit);

}  // namespace halcyon
