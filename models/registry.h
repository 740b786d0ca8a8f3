#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/precision.h"
#include "core/score_network.h"
#include "models/mlp.h"
#include "models/network_shape.h"
#include "models/unet.h"

namespace halcyon {

/// Which network, and the options of each; only the named one's are read.
struct ModelOptions {
  std::string name = "unet";
  UnetOptions unet;
  MlpOptions mlp;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.name, "name", "the network: unet or mlp");
  }

  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("unet", self.unet);
    section("mlp", self.mlp);
  }
};

struct ModelEntry {
  const char* name;
  const char* summary;
  bool bfloat16;  ///< whether it can work in bfloat16
  std::shared_ptr<ScoreNetwork> (*make)(const ModelOptions&, const ImageShape&,
                                        int64_t num_classes);
};

/// Every network there is.  To add one: its two files, its options above, and a row here.
const std::vector<ModelEntry>& model_registry();

/// The network options.name, initialised from LibTorch's default generator.
/// num_classes 0: unconditional.
/// @throws ConfigError for an unknown name or options that do not suit the shape.
std::shared_ptr<ScoreNetwork> make_network(const ModelOptions& options, const ImageShape& shape,
                                           int64_t num_classes);

/// What the network options.name is to compute in on `device` where `wanted` is asked for.
/// @throws ConfigError for an unknown name, or for bf16 where the network has float32 only.
Precision network_precision(const ModelOptions& options, Precision wanted, torch::Device device);

}  // namespace halcyon
