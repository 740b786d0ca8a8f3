#pragma once

#include <torch/types.h>

#include <nlohmann/json.hpp>
#include <string>

#include "core/linear_operator.h"
#include "fisher/sample_moments.h"

namespace halcyon {

struct Restored {
  torch::Tensor truth;    ///< [N, C, H, W], or undefined
  torch::Tensor y;        ///< [N, ...]
  torch::Tensor samples;  ///< [N, K, C, H, W]
};

/// Means over images, each over the draws of an image first; no estimate without truth.
struct RestoredFigures {
  /// Peak signal to noise ratio 10 log10(4 / mean square error), dB, of values from -1 to 1.
  Estimate psnr_measurement, psnr_sample, psnr_mean;
  /// |y - A x| / sqrt(dim y), of samples: S if they fit as the truth does.
  Estimate residual;
  /// sqrt of the mean square of (mean - truth), and of the standard deviation over draws.
  Estimate error, spread;
};

/// The figures of images that come a few at a time.
class RestorationMoments {
 public:
  explicit RestorationMoments(const LinearOperator& measure) : measure_(measure) {}
  void add(const Restored& restored);
  RestoredFigures figures() const;

 private:
  const LinearOperator& measure_;
  SampleMoments psnr_measurement_{1}, psnr_sample_{1}, psnr_mean_{1}, residual_{1}, error_{1},
      spread_{1};
};

/// residual_per_noise is null where noise = 0.
nlohmann::ordered_json to_json(const RestoredFigures& figures, double noise);

/// Images that the picture shows.
inline constexpr int64_t kMostShown = 8;

/// Rows of truth, measurement, draws, their mean and standard deviation; up to kMostShown images.
void write_restored_picture(const std::string& path, const Restored& restored,
                            const LinearOperator& measure);

}  // namespace halcyon
