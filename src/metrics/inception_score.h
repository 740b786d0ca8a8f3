#pragma once

#include <torch/types.h>

#include <cstdint>

#include "metrics/metric_estimate.h"

namespace halcyon {

/// exp(mean over samples of KL(p(y | x) || p(y))) of class probabilities [N, K], p(y) being their
/// mean (Salimans et al. 2016): from 1, where no sample tells a class, to K.  As published it is
/// the mean over `splits` disjoint parts, each with its own p(y) and so below that of all by about
/// (K - 1) splits / (2 N); published deviations are sqrt(splits) times this error.
MetricEstimate inception_score(const torch::Tensor& probabilities, int64_t splits,
                               at::Generator rng);

}  // namespace halcyon
