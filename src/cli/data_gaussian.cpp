#include "cli/data_gaussian.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/torch.h"

namespace halcyon {
namespace {

constexpr int64_t kMostDimensions = 4096;  // of a covariance matrix: 128 MiB
constexpr int64_t kMostImages = 20000;     // to estimate it from

/// At most kMostImages images, spread evenly over all, in model units.
torch::Tensor chosen(const ImageSet& set) {
  const auto total = set.images.size(0);
  const auto count = std::min(total, kMostImages);
  const auto position = torch::arange(count, torch::kFloat64) / static_cast<double>(count);
  return to_model_units(set.images.index_select(
      0, (position * static_cast<double>(total)).floor().to(torch::kInt64)));
}

}  // namespace

std::optional<GaussianMixture> covariance_gaussian(const ImageSet& set) {
  const int64_t dim = set.images[0].numel();
  if (dim > kMostDimensions || std::min(set.images.size(0), kMostImages) <= dim) return {};
  return fit_gaussian(chosen(set));
}

GaussianMixture variance_gaussian(const ImageSet& set) {
  const int64_t dim = set.images[0].numel();
  if (dim > kMostDimensions) {
    throw DataError(fmt::format(
        "data.path: images of {} numbers; want at most {}, for the likelihood's Gaussian", dim,
        kMostDimensions));
  }
  const auto x = chosen(set).flatten(1).to(torch::kFloat64);
  return {torch::ones({1}), x.mean(0, /*keepdim=*/true), x.var(0, /*unbiased=*/x.size(0) > 1)};
}

}  // namespace halcyon
