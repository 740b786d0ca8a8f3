#pragma once

#include <cstdint>
#include <string>

namespace halcyon {

/// Generative replay (Shin et al. 2017): what a model has learnt is kept by training on images that
/// it draws.
struct ReplayOptions {
  std::string checkpoint;
  double share = 0.5;
  int64_t images = 4096;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.checkpoint, "checkpoint",
          "model whose own images are mixed into the batches, drawn by the run's sampler; empty: "
          "none");
    field(self.share, "share", "of a batch that they are, in (0, 1)");
    field(self.images, "images", "drawn once, at the beginning, > 0");
  }
};

}  // namespace halcyon
