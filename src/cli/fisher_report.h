#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/gaussian_mixture.h"
#include "data/image_set.h"
#include "fisher/fisher_estimates.h"
#include "fisher/memorisation.h"
#include "io/table.h"

namespace halcyon {

/// What the estimates are held against: the Gaussian of the data's mean and covariance (none where
/// there are too few images or too many dimensions for it), and the exact law of a toy.
struct FisherReference {
  std::optional<GaussianMixture> gaussian;
  std::optional<GaussianMixture> exact;
};

FisherReference fisher_reference(const ImageSet& set, const std::string& data_path);

/// Where a table comes from: its first columns.
struct FisherContext {
  int64_t step = 0;
  std::string split;    ///< train or test
  std::string weights;  ///< raw, ema, ...
};

/// Every column of fisher_levels.csv (docs/fisher_levels.md), a row a level.  `floors`: of the same
/// levels, or empty.
Table fisher_table(const std::vector<FisherEstimates>& levels, const FisherContext& context,
                   const FisherReference& reference,
                   const std::vector<MemorisationEstimates>& floors = {});

/// The columns that people look at first, with their standard errors.
Table fisher_summary(const std::vector<FisherEstimates>& levels, const FisherReference& reference);

/// `folder`/fisher_information.png (J and its bounds) and `folder`/fisher_fraction.png (j).
/// Returns why a picture could not be made; empty if all were.
std::string plot_fisher(const std::string& folder, const std::vector<FisherEstimates>& levels,
                        const FisherReference& reference,
                        const std::vector<MemorisationEstimates>& floors = {});

}  // namespace halcyon
