#pragma once

#include <torch/types.h>

#include <memory>
#include <string>
#include <vector>

#include "core/adaptive_noise.h"
#include "core/score_network.h"
#include "training/ema.h"
#include "training/flat_parameters.h"
#include "training/optimizer.h"

namespace halcyon {

/// Everything that training changes: what a checkpoint holds, and all that a resumed run needs to
/// go on as if it had not stopped.
struct TrainingState {
  /// The network moves to `device`; its parameters move into one vector.
  TrainingState(std::shared_ptr<ScoreNetwork> network, const EmaOptions& ema, uint64_t seed,
                torch::Device device, const AdaptiveNoiseOptions& noise = {},
                const std::string& optimizer = "adamw");

  /// Weights, or an average of them, and the network's buffers, by name.
  TensorMap weights(const torch::Tensor& values) const;

  /// The optimiser's own, generator states, noise density and counters: what weights() leaves out.
  TensorMap training_tensors() const;

  /// The inverses.  @throws CheckpointError naming a tensor that is missing, unknown or has the
  /// wrong shape or type; the state is then unchanged.
  void load_weights(const TensorMap& tensors, const torch::Tensor& values);
  void load_training_tensors(const TensorMap& tensors);

  std::shared_ptr<ScoreNetwork> network;
  FlatParameters parameters;
  std::unique_ptr<Optimizer> optimizer;
  std::vector<Ema> emas;
  AdaptiveNoise noise;        ///< which noise levels are drawn more often
  at::Generator noise_rng;    ///< noise levels, noise and label dropout
  at::Generator dropout_rng;  ///< dropout masks in the network
  int64_t step = 0;           ///< optimiser steps taken
  int64_t images = 0;         ///< images seen: the position in the data order

 private:
  /// training_tensors() but for the optimiser's.
  TensorMap own_tensors() const;
};

}  // namespace halcyon
