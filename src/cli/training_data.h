#pragma once

#include <torch/types.h>

#include <optional>

#include "cli/fisher_report.h"
#include "data/data_options.h"
#include "data/image_set.h"

namespace halcyon {

/// What a model was trained on, or the same part of other data: loaded when first asked for, as
/// most of what is measured does not need it.
class TrainingData {
 public:
  /// `images`: what `options` load, where somebody has loaded it already.
  explicit TrainingData(DataOptions options, std::optional<ImageSet> images = {});

  const ImageSet& images();
  /// Their mean in model units, [C, H, W] float32.
  const torch::Tensor& mean();
  const FisherReference& reference();

 private:
  DataOptions options_;
  std::optional<ImageSet> images_;
  torch::Tensor mean_;
  std::optional<FisherReference> reference_;
};

}  // namespace halcyon
