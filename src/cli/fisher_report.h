#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/gaussian_mixture.h"
#include "data/image_set.h"
#include "fisher/fisher_level.h"
#include "fisher/fisher_options.h"
#include "io/table.h"

namespace halcyon {

/// What the estimates are held against: the Gaussian of the data's mean and covariance (none where
/// there are too few images or too many dimensions for it), and the exact law of a toy.
struct FisherReference {
  std::optional<GaussianMixture> gaussian;
  std::optional<GaussianMixture> exact;
};

FisherReference fisher_reference(const ImageSet& set, const std::string& data_path);

/// `count` images of the set (all if it has fewer), chosen by `seed`, in model units.
torch::Tensor choose_images(const ImageSet& set, int64_t count, uint64_t seed);

/// A denoiser measured at every level of `options` that lies in [model_sigma_min, model_sigma_max],
/// on the images x0 [N, C, H, W].  Level k of a seed sees the same noise, whatever the network, the
/// batch and the probes.
/// `on_level` is called with the number of levels done.  @throws ConfigError for options out of
/// range.
std::vector<FisherEstimates> measure_levels(Denoiser& denoiser, const torch::Tensor& x0,
                                            const FisherOptions& options, double model_sigma_min,
                                            double model_sigma_max, uint64_t seed,
                                            const std::function<void(int64_t)>& on_level);

/// Where a table comes from: its first columns.
struct FisherContext {
  int64_t step = 0;
  std::string split;    ///< train or test
  std::string weights;  ///< raw, ema, ...
};

/// Every column of fisher_levels.csv (docs/fisher_levels.md), a row a level.
Table fisher_table(const std::vector<FisherEstimates>& levels, const FisherContext& context,
                   const FisherReference& reference);

/// The columns that people look at first, with their standard errors.
Table fisher_summary(const std::vector<FisherEstimates>& levels, const FisherReference& reference);

/// `folder`/fisher_information.png (J and its bounds) and `folder`/fisher_fraction.png (j).
/// Returns why a picture could not be made; empty if all were.
std::string plot_fisher(const std::string& folder, const std::vector<FisherEstimates>& levels,
                        const FisherReference& reference);

}  // namespace halcyon
