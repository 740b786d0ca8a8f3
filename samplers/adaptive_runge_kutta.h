#pragma once

#include "samplers/options.h"
#include "samplers/sampler.h"

namespace halcyon {

/// The probability-flow ODE in ln sigma, dx/dln sigma = x - D(x; sigma), by the embedded 5(4) pair
/// of Dormand and Prince 1980, with steps as the tolerance asks for (integrate_dopri5): of the grid
/// only the highest and the lowest positive level count.  Where the grid ends at 0, at last x = D.
/// 5th order: the error falls as NFE^-5, and in proportion to the tolerance.  The state is float64.
///
/// A batch shares its steps, so that a sample depends on its batch within the tolerance.
class Dopri5Sampler final : public Sampler {
 public:
  /// @throws ConfigError unless 0 < tolerance < 1.
  explicit Dopri5Sampler(const AdaptiveStepOptions& options);

 private:
  torch::Tensor run(Denoiser&, torch::Tensor x, const std::vector<double>& sigmas,
                    NoiseSource&) const override;

  double tolerance_;
};

}  // namespace halcyon
