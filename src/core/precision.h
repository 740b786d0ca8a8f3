#pragma once

#include <torch/types.h>

#include <array>
#include <utility>

namespace halcyon {

/// The digits that a network computes in.  Weights are kept and updated in float32 all the same,
/// and norms, embeddings and the loss are float32 throughout.
enum class Precision { automatic, fp32, bf16 };

inline constexpr std::array<std::pair<Precision, const char*>, 3> enum_names(Precision) {
  return {{{Precision::automatic, "auto"}, {Precision::fp32, "fp32"}, {Precision::bf16, "bf16"}}};
}

inline constexpr const char* kPrecisionHelp =
    "the network computes in fp32, in bf16, or auto: bf16 where the processor has it";

/// fp32 or bf16; `automatic` is bf16 on a device that multiplies bfloat16 faster than float32.
Precision resolved(Precision precision, torch::Device device);

inline at::ScalarType scalar_type(Precision precision) {
  return precision == Precision::bf16 ? torch::kBFloat16 : torch::kFloat32;
}

}  // namespace halcyon
