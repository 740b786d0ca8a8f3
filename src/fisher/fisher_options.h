#pragma once

#include <cstdint>
#include <string>

namespace halcyon {

/// The table of Fisher estimates over noise levels.
struct FisherOptions {
  int64_t levels = 16;
  int64_t images = 1024;
  double sigma_min = 0.01;
  double sigma_max = 50;
  int64_t probes = 1;
  int64_t batch = 64;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.levels, "levels", "noise levels, evenly spaced in ln sigma, >= 2");
    field(self.images, "images", "images a level, each with one noise draw, >= 4");
    field(self.sigma_min, "sigma_min", "lowest noise level; raised to the model's lowest");
    field(self.sigma_max, "sigma_max", "highest noise level; lowered to the model's highest");
    field(self.probes, "probes",
          "Hutchinson probes an image for the observed information; 0: none");
    field(self.batch, "batch", "images evaluated at once, > 0");
  }
};

/// @throws ConfigError naming the key, `prefix` before it, unless every option is in its range.
void check_options(const FisherOptions& options, const std::string& prefix = "fisher.");

}  // namespace halcyon
