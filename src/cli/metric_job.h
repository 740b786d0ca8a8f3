#pragma once

#include <torch/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fisher/sample_moments.h"
#include "metrics/feature_map.h"
#include "metrics/frechet.h"

namespace halcyon {

/// Where the nearest training image is looked for.
enum class NearestSpace { pixels, features };

inline constexpr std::array<std::pair<NearestSpace, const char*>, 2> enum_names(NearestSpace) {
  return {{{NearestSpace::pixels, "pixels"}, {NearestSpace::features, "features"}}};
}

struct MetricOptions {
  int64_t neighbours = 5;
  int64_t groups = 20;
  int64_t parts = 10;
  int64_t subsets = 100;
  int64_t subset_size = 1000;
  int64_t splits = 10;
  int64_t projections = 512;
  int64_t pyramid_images = 2048;
  NearestSpace nearest = NearestSpace::pixels;
  int64_t shown = 12;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(
        self.neighbours, "neighbours",
        "k of precision, recall, density and coverage, and training images shown beside a sample, "
        ">= 2");
    field(self.groups, "groups", "of the jackknife for the error of the Frechet distance, >= 2");
    field(self.parts, "parts",
          "disjoint parts of the sets whose spread gives the error of precision, recall, density, "
          "coverage and sliced distances, >= 2");
    field(self.subsets, "subsets", "of the kernel distance as torch-fidelity takes it; 0: none");
    field(self.subset_size, "subset_size", "images of such a subset, >= 3");
    field(self.splits, "splits", "of the Inception score, >= 2");
    field(self.projections, "projections", "directions of the sliced distances, > 0");
    field(self.pyramid_images, "pyramid_images", "images whose patches are compared, at most");
    field(self.nearest, "nearest", "space in which the nearest training images are looked for");
    field(self.shown, "shown", "most suspicious samples that nearest.png shows, > 0");
  }
};

/// @throws ConfigError naming the key out of range.
void check_options(const MetricOptions& options);

/// A number of the table.
struct MetricRow {
  std::string key;    ///< in evaluation.json
  std::string label;  ///< for people
  Estimate estimate;
  std::string note = {};
};

/// What there is to measure; what is missing is undefined or empty.  All on one device.
struct MetricJob {
  const MetricOptions& options;
  uint64_t seed;
  std::string out;
  torch::Tensor samples;  ///< [N, C, H, W] uint8, or float32 in model units
  FeatureMap& map;
  torch::Tensor reference = {};                  ///< [M, C, H, W], of the same kind
  bool reference_is_held_out = false;            ///< and not the training images themselves
  torch::Tensor features = {};                   ///< [N, F] of the samples
  torch::Tensor probabilities = {};              ///< [N, K]
  std::optional<FrechetSet> frechet = {};        ///< the reference's statistics
  std::function<torch::Tensor()> training = {};  ///< loads the training images; none if not known
};

/// What a metric cannot do without.
enum class MetricNeed { statistics, features, classes, images, training };

struct MetricEntry {
  const char* name;
  const char* summary;
  MetricNeed need;
  std::vector<MetricRow> (*measure)(const MetricJob&);
};

/// Every metric, in the order of the table.
const std::vector<MetricEntry>& metric_registry();

/// Sample by sample, what is nearest to it among the training images: rows, and in job.out
/// nearest.png and nearest.csv.
std::vector<MetricRow> measure_nearest(const MetricJob& job);

/// Features of images in the job's map, batch by batch, with a progress line.  `probabilities` for
/// its classes.
enum class FeatureKind { features, probabilities };
torch::Tensor map_images(FeatureMap& map, const torch::Tensor& images, FeatureKind kind,
                         const std::string& label);

}  // namespace halcyon
