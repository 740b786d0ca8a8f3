#pragma once

#include <torch/types.h>

#include <string>

#include "core/tensor_map.h"
#include "curvature/curvature.h"
#include "training/flat_parameters.h"

namespace halcyon {

struct EwcOptions {
  std::string checkpoint = {};
  std::string curvature = {};
  double strength = 1;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.checkpoint, "checkpoint",
          "model to be remembered by elastic weight consolidation; empty: none");
    field(self.curvature, "curvature",
          "its Fisher information, a file of `halcyon fisher --space parameters --only curvature`; "
          "empty: fisher/curvature.safetensors in the run directory that checkpoint is");
    field(self.strength, "strength",
          "what an image that model was trained on counts beside one of this run's, > 0");
  }
};

/// @throws ConfigError naming the key unless every option is in its range.
void check_options(const EwcOptions& options);

/// Elastic weight consolidation (Kirkpatrick et al. 2017): what a model has learnt is kept by a
/// penalty on the way from its parameters theta*, by how much the model changes along it,
///
///     strength / (2 d) (theta - theta*)^T F (theta - theta*),
///
/// with F the Fisher information of one image and d its numbers, over which the loss is a mean: at
/// strength 1 the old images count as much as the new ones, to second order around theta*.
class WeightConsolidation {
 public:
  /// anchor: theta* by name; dim: d.
  WeightConsolidation(Curvature curvature, const TensorMap& anchor, double strength, int64_t dim);

  /// Adds the penalty's gradient to that of the parameters.  Returns the divergence from the model
  /// remembered, in nats an image, as F foretells it: 1/2 (theta - theta*)^T F (theta - theta*).
  double add_gradient(FlatParameters& parameters) const;

 private:
  Curvature curvature_;
  torch::Tensor anchor_;  // [P]
  double scale_;          // strength / d
};

}  // namespace halcyon
