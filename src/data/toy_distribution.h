#pragma once

#include <string>
#include <vector>

#include "core/gaussian_mixture.h"
#include "data/data_options.h"
#include "data/image_set.h"

namespace halcyon {

/// A distribution of images whose exact score is known, read as `data.path = toy:NAME`.
struct ToyDistribution {
  const char* name;
  const char* summary;         ///< the law, with its numbers
  std::vector<int64_t> shape;  ///< {C, H, W}
  GaussianMixture (*make)();   ///< over the flattened image
};

/// Every toy, in the order they are listed to users.
const std::vector<ToyDistribution>& toy_registry();

bool is_toy(const std::string& path);

/// The toy of a path "toy:NAME".  @throws ConfigError naming the nearest and all toys.
const ToyDistribution& find_toy(const std::string& path);

/// options.limit draws (0: 50000), always the same for one split; train and test are independent.
/// float32 in model units, unscaled; toys have no labels.
ImageSet load_toy(const DataOptions& options);

}  // namespace halcyon
