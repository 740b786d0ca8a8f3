#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/metric_job.h"
#include "cli/progress.h"
#include "core/random.h"
#include "core/require.h"
#include "core/torch.h"
#include "data/image_set.h"
#include "metrics/inception_score.h"
#include "metrics/kernel_distance.h"
#include "metrics/laplacian_pyramid.h"
#include "metrics/manifold.h"
#include "metrics/sliced_wasserstein.h"

namespace halcyon {
namespace {

constexpr int64_t kFeatureBatch = 64;

Estimate estimate(const MetricEstimate& measured, int64_t count) {
  return {measured.value, measured.standard_error, count};
}

void require_count(const MetricJob& job, int64_t least, const char* why) {
  const auto reference = job.reference.defined() ? job.reference.size(0) : least;
  const auto found = std::min(job.samples.size(0), reference);
  if (found >= least) return;
  throw ConfigError(
      fmt::format("{}: want at least {} images of each set, got {}", why, least, found));
}

std::vector<MetricRow> measure_frechet(const MetricJob& job) {
  const auto n = job.features.size(0);
  require_count(job, 2 * job.options.groups, "metric.groups");
  const auto rng = [&] { return make_generator(job.seed, "frechet"); };
  const auto finite = frechet_estimate(job.features, *job.frechet, job.options.groups, rng());
  std::vector<MetricRow> rows = {{"frechet", "Frechet distance", estimate(finite, n)}};
  if (n / kFrechetParts > job.features.size(1)) {
    const auto limit = frechet_infinity(job.features, *job.frechet, finite.standard_error, rng());
    rows.push_back({"frechet_infinity", "  for infinitely many samples", estimate(limit, n)});
  } else {
    rows.front().note = fmt::format("too few to extrapolate: want more than {} samples",
                                    kFrechetParts * job.features.size(1));
  }
  return rows;
}

std::vector<MetricRow> measure_kernel(const MetricJob& job) {
  const auto n = job.features.size(0);
  require_count(job, 3, "kernel");
  const auto& reference = *job.frechet->features;
  const auto whole = kernel_distance(job.features, reference);
  std::vector<MetricRow> rows = {{"kernel", "kernel distance (KID)", estimate(whole, n)}};
  const auto& o = job.options;
  if (o.subsets >= 2 && std::min(n, reference.size(0)) >= o.subset_size) {
    const auto spread = kernel_distance_of_subsets(job.features, reference, o.subsets,
                                                   o.subset_size, make_generator(job.seed, "kid"));
    // subsets overlap: their mean is at best as sure as the estimate over all
    const double error = std::hypot(whole.standard_error,
                                    spread.deviation / std::sqrt(static_cast<double>(o.subsets)));
    rows.push_back({"kernel_subsets",
                    "  mean over subsets",
                    {spread.mean, error, n},
                    fmt::format("deviation {:.3g} over {} subsets of {}", spread.deviation,
                                o.subsets, o.subset_size)});
  }
  return rows;
}

std::vector<MetricRow> measure_manifold(const MetricJob& job) {
  const auto k = job.options.neighbours;
  require_count(job, job.options.parts * (k + 1), "manifold");
  const auto& reference = *job.frechet->features;
  const auto m = manifold_metrics(job.features, reference, k, job.options.parts,
                                  make_generator(job.seed, "manifold"));
  const auto n = job.features.size(0), count = reference.size(0);
  return {{"precision", "precision", estimate(m.precision, n)},
          {"recall", "recall", estimate(m.recall, count)},
          {"density", "density", estimate(m.density, n), "1 for equal laws"},
          {"coverage", "coverage", estimate(m.coverage, count),
           fmt::format("{:.3f} for equal laws", expected_coverage(count, n, k))}};
}

std::vector<MetricRow> measure_inception(const MetricJob& job) {
  const auto n = job.probabilities.size(0);
  require_count(job, job.options.splits, "metric.splits");
  const auto score =
      inception_score(job.probabilities, job.options.splits, make_generator(job.seed, "inception"));
  const double deviation =
      score.standard_error * std::sqrt(static_cast<double>(job.options.splits));
  return {{"inception", "Inception score", estimate(score, n),
           fmt::format("deviation {:.3g} over {} splits", deviation, job.options.splits)}};
}

/// The first images of both sets in random order, as many of each, in model units.
std::pair<torch::Tensor, torch::Tensor> even_sets(const MetricJob& job, int64_t most) {
  const auto count = std::min({job.samples.size(0), job.reference.size(0), most});
  auto rng = make_generator(job.seed, "even sets");
  const auto chosen = [&](const torch::Tensor& set) {
    const auto order = torch::randperm(set.size(0), rng, torch::kInt64).narrow(0, 0, count);
    return to_model_units(set.index_select(0, order.to(set.device())));
  };
  const auto samples = chosen(job.samples);
  return {samples, chosen(job.reference)};
}

std::vector<MetricRow> measure_sliced(const MetricJob& job) {
  require_count(job, 2 * job.options.parts, "metric.parts");
  const auto [a, b] = even_sets(job, INT64_MAX);
  const auto distance = [&](const torch::Tensor& x, const torch::Tensor& y) {
    return sliced_wasserstein(x, y, job.options.projections,
                              make_generator(job.seed, "directions"));
  };
  auto rng = make_generator(job.seed, "parts");
  const MetricEstimate sliced = {distance(a, b),
                                 error_by_parts(distance, a, b, job.options.parts, rng)};
  return {{"sliced_wasserstein", "sliced Wasserstein-2, pixels", estimate(sliced, a.size(0))}};
}

std::vector<MetricRow> measure_pyramid(const MetricJob& job) {
  require_count(job, 2 * job.options.parts, "metric.parts");
  const auto [a, b] = even_sets(job, job.options.pyramid_images);
  const auto distances =
      pyramid_distances(a, b, {.projections = job.options.projections, .parts = job.options.parts},
                        make_generator(job.seed, "pyramid"));
  std::vector<MetricRow> rows = {
      {"pyramid", "sliced Wasserstein-1, patches", estimate(distances.mean, a.size(0))}};
  for (size_t i = 0; i < distances.levels.size(); ++i) {
    const auto height = distances.heights[i];
    rows.push_back({fmt::format("pyramid_{}", height), fmt::format("  {} pixels high", height),
                    estimate(distances.levels[i], a.size(0))});
  }
  return rows;
}

}  // namespace

void check_options(const MetricOptions& o) {
  require_option(o.neighbours >= 2, "metric.neighbours", "a whole number >= 2", o.neighbours);
  require_option(o.groups >= 2, "metric.groups", "a whole number >= 2", o.groups);
  require_option(o.parts >= 2, "metric.parts", "a whole number >= 2", o.parts);
  require_option(o.subsets >= 0, "metric.subsets", "a whole number >= 0", o.subsets);
  require_option(o.subset_size >= 3, "metric.subset_size", "a whole number >= 3", o.subset_size);
  require_option(o.splits >= 2, "metric.splits", "a whole number >= 2", o.splits);
  require_option(o.projections > 0, "metric.projections", "a whole number > 0", o.projections);
  require_option(o.pyramid_images >= 2 * o.parts, "metric.pyramid_images",
                 "a whole number of at least twice metric.parts", o.pyramid_images);
  require_option(o.shown > 0, "metric.shown", "a whole number > 0", o.shown);
}

const std::vector<MetricEntry>& metric_registry() {
  static const std::vector<MetricEntry> entries = {
      {"frechet", "Frechet distance of features (FID), and for infinitely many samples",
       MetricNeed::statistics, measure_frechet},
      {"kernel", "kernel distance of features (KID)", MetricNeed::features, measure_kernel},
      {"manifold", "precision, recall, density and coverage", MetricNeed::features,
       measure_manifold},
      {"inception", "Inception score, with a network that knows classes", MetricNeed::classes,
       measure_inception},
      {"sliced", "sliced Wasserstein-2 distance of pixels", MetricNeed::images, measure_sliced},
      {"pyramid", "sliced Wasserstein-1 distance of patches over a Laplacian pyramid",
       MetricNeed::images, measure_pyramid},
      {"nearest", "copies of training images, and a picture of the nearest ones",
       MetricNeed::training, measure_nearest},
  };
  return entries;
}

torch::Tensor map_images(FeatureMap& map, const torch::Tensor& images, FeatureKind kind,
                         const std::string& label) {
  Progress progress(label, "images", images.size(0));
  std::vector<torch::Tensor> parts;
  int64_t done = 0;
  for (const auto& batch : images.split(kFeatureBatch)) {
    const auto x = to_model_units(batch);
    parts.push_back(kind == FeatureKind::features ? map.features(x) : map.probabilities(x));
    done += batch.size(0);
    progress.update(done);
  }
  return torch::cat(parts);
}

}  // namespace halcyon
