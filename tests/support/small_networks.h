#pragma once

#include <string>

#include "core/random.h"
#include "core/torch.h"
#include "models/registry.h"

namespace halcyon::testing {

/// Options of the network `name`, a few thousand parameters on small_shape().
inline ModelOptions small_model(const std::string& name) {
  ModelOptions options;
  options.name = name;
  options.unet.channels = 8;
  options.unet.channel_mult = {1, 2};
  options.unet.blocks = 1;
  options.unet.attention_resolutions = {4};
  options.unet.attention_heads = 2;
  options.unet.norm_groups = 4;
  options.mlp.width = 16;
  options.mlp.depth = 2;
  return options;
}

inline ImageShape small_shape() { return {2, 8, 4}; }

/// Gives every parameter a random value, so that what starts at zero takes part.
inline void randomise(torch::nn::Module& module, uint64_t seed) {
  torch::NoGradGuard no_grad;
  auto rng = make_generator(seed, "parameters");
  for (auto& p : module.parameters()) p.normal_(0, 0.2, rng);
}

/// The small network `name` in float64 and eval mode, randomised.
inline std::shared_ptr<ScoreNetwork> small_network(const std::string& name,
                                                   int64_t num_classes = 0) {
  const auto network = make_network(small_model(name), small_shape(), num_classes);
  network->to(torch::kFloat64);
  randomise(*network, 3);
  network->eval();
  return network;
}

}  // namespace halcyon::testing
