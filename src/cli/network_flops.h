#pragma once

#include "models/network_shape.h"
#include "models/registry.h"

namespace halcyon {

/// Floating-point operations of one evaluation for one image: two for each multiplication and
/// addition of the convolutions, linear maps and attention, and none for all else.  Read off the
/// names and shapes of the parameters, so that it is the same however the network computes.
///
/// A training step takes three times as many: backward has two products for each of forward.
double forward_flops(const torch::nn::Module& network, const ModelOptions& options,
                     const ImageShape& shape);

}  // namespace halcyon
