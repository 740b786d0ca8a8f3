#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/tensor_map.h"
#include "training/flat_parameters.h"
#include "training/optimizer_options.h"

namespace halcyon {

class StepObjective;

/// Values and gradients are vectors laid out as FlatParameters::values().
struct OptimizerStep {
  torch::Tensor values;    ///< to be updated in place
  torch::Tensor gradient;  ///< at them
  double rate;             ///< learning rate
  int64_t number;          ///< from 1
  /// What the gradient is of, for an optimiser that observes.
  const StepObjective* objective = nullptr;
};

/// What makes steps of gradients.
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// Whether it looks at more of the objective than its gradient, which is not clipped then.
  virtual bool observes() const { return false; }
  virtual void update(const OptimizerStep& step, const OptimizerOptions& options) = 0;

  /// All that a resumed run needs of it, by name.
  virtual TensorMap tensors(const FlatParameters& parameters) const = 0;
  /// The inverse.  @throws CheckpointError naming a tensor that is missing, unknown or has the
  /// wrong shape or type; nothing has changed then.
  virtual void load(const TensorMap& tensors, const FlatParameters& parameters);

  /// Numbers of the last step for the log, always the same ones.
  virtual std::vector<std::pair<std::string, double>> figures() const { return {}; }
};

struct OptimizerEntry {
  const char* name;     ///< as written in configs
  const char* summary;  ///< one line for `halcyon list optimizers`
  bool observes;        ///< as Optimizer says
  double rate;          ///< learning rate to begin with
  std::unique_ptr<Optimizer> (*make)(const torch::nn::Module&, const FlatParameters&,
                                     uint64_t seed);
};

/// Every optimiser the toolkit has, in the order they are listed to users.
const std::vector<OptimizerEntry>& optimizer_registry();

/// For a module and its parameters.  @throws ConfigError for an unknown name
std::unique_ptr<Optimizer> make_optimizer(const std::string& name, const torch::nn::Module& module,
                                          const FlatParameters& parameters, uint64_t seed);

/// Scales `gradients`, of the norm given, in place so that it is at most `limit` (0: leaves them).
void clip_gradient(const torch::Tensor& gradients, double norm, double limit);

}  // namespace halcyon
