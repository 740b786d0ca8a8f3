#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "checkpoint/checkpoint.h"
#include "core/guided_denoiser.h"
#include "core/precision.h"

namespace halcyon {

/// The section `guidance` of the command line.
struct GuidanceSection {
  GuidanceOptions options;
  std::string checkpoint = {};
  std::string weights = "ema";

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    GuidanceOptions::fields(self.options, field);
    field(self.checkpoint, "checkpoint",
          "of a weaker model to be led away from (autoguidance); empty: the model without its "
          "class");
    field(self.weights, "weights", "of that checkpoint: raw, ema, or ema-HALFLIFE");
  }
};

/// A model led by itself without its class, or by a weaker model.  Outlived by the model.
class Guidance {
 public:
  /// The weaker model works in `precision` if it can.
  /// @throws ConfigError naming the key where there is nothing to be guided by: no class and no
  /// checkpoint, a model that never learnt to do without its class, a checkpoint of other shape.
  Guidance(const GuidanceSection& section, const Model& model, int64_t label, Precision precision,
           torch::Device device);

  GuidedDenoiser& denoiser() { return *denoiser_; }
  /// Of the weaker model; null where there is none, or it is exact.
  const ScoreNetwork* network() const { return weak_ ? weak_->network.get() : nullptr; }

 private:
  void load_weak(const GuidanceSection& section, const Model& model, int64_t label,
                 Precision precision, torch::Device device);

  std::optional<Model> weak_;
  std::unique_ptr<DenoiserPair> pair_;
  std::optional<GuidedDenoiser> denoiser_;
};

}  // namespace halcyon
