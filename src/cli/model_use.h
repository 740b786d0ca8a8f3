#pragma once

#include <cstdint>
#include <string>

namespace halcyon {

/// What the commands that use a finished model are told alike.
struct ModelUse {
  std::string checkpoint = {};
  std::string weights = "ema";
  uint64_t seed = 0;
  std::string out;

  /// What `seed` chooses and what `out` becomes is the command's to say.
  template <class Self, class Field>
  static void fields(Self& self, Field&& field, const char* seed_help, const char* out_help) {
    field(self.checkpoint, "checkpoint",
          "run directory, step directory or .safetensors file; toy:NAME or empirical:PATH: exact "
          "denoisers");
    field(self.weights, "weights", "raw, ema, or ema-HALFLIFE");
    field(self.seed, "seed", seed_help);
    field(self.out, "out", out_help);
  }
};

}  // namespace halcyon
