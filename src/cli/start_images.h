#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>

#include "checkpoint/checkpoint.h"
#include "data/image_set.h"

namespace halcyon {

/// The section `start` of the command line: images to start from instead of noise.
struct StartSection {
  std::string image = {};
  double sigma = 0;
  int64_t copies = 1;
  int64_t limit = 0;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.image, "image",
          "picture, folder or data set to start from instead of noise (SDEdit); empty: none");
    field(self.sigma, "sigma", "noise level to start at: what is finer is drawn anew, > 0");
    field(self.copies, "copies", "images drawn from each, > 0");
    field(self.limit, "limit", "start from the first so many images; 0: from all");
  }

  bool used() const { return !image.empty(); }
};

/// Images of a picture, folder or data set, of which the first `limit` or all (0), made of the
/// model's channels and size.  @throws DataError, naming `key`, if they do not fit even so.
ImageSet load_fitting(const std::string& path, const char* key, int64_t limit, const Model& model);

/// Images [N, C, H, W] in model units, from which sample k starts at image k / copies.
struct StartImages {
  torch::Tensor images;
  std::string fingerprint;
  int64_t copies = 1;

  int64_t count() const { return images.size(0) * copies; }
  /// Those of samples first .. first + size - 1.
  torch::Tensor of(int64_t first, int64_t size) const;
};

/// @throws ConfigError for options out of range; DataError as load_fitting().
StartImages load_start_images(const StartSection& section, const Model& model,
                              torch::Device device);

}  // namespace halcyon
