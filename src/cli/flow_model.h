#pragma once

#include <cstdint>
#include <string>

#include "checkpoint/checkpoint.h"
#include "cli/run_options.h"
#include "samplers/flow_code.h"

namespace halcyon {

/// What `halcyon encode` and `halcyon interpolate` are told alike.
struct FlowOptions {
  std::string checkpoint = {};
  std::string weights = "ema";
  int64_t label = -1;
  double sigma_min = 0;
  double sigma_max = 0;
  double tolerance = 1e-5;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.checkpoint, "checkpoint",
          "run directory, step directory or .safetensors file; toy:NAME or empirical:PATH: exact "
          "denoisers");
    field(self.weights, "weights", "raw, ema, or ema-HALFLIFE");
    field(self.label, "class", "class of the images (class-conditional models); -1: any");
    field(self.sigma_min, "sigma_min", "noise level that images are taken for; 0: the model's");
    field(self.sigma_max, "sigma_max", "noise level of the codes; 0: the model's");
    field(self.tolerance, "tolerance", "error allowed a step, of 1 + |x|, in (0, 1)");
  }
};

/// A model and its flow between images and codes.
struct FlowModel {
  Model model;
  torch::Device device;
  FlowCode code;

  /// Of the images it takes: exact denoisers keep float64.
  at::ScalarType type() const { return model.network ? at::kFloat : at::kDouble; }
};

/// Sets up the machine and loads the model, in float32: an adaptive step cannot step over the noise
/// of rounding.  @throws as load_model() and FlowCode.
FlowModel load_flow(const FlowOptions& options, const MachineOptions& machine);

}  // namespace halcyon
