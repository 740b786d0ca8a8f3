#include "metrics/manifold.h"

#include "core/torch.h"
#include "tests/metrics/coverage.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

torch::Tensor on_line(const std::vector<double>& points) {
  return torch::tensor(points, torch::kFloat64).unsqueeze(1);
}

/// Every set twice, so that there are two parts of it: for the errors alone.
ManifoldMetrics measure(const torch::Tensor& samples, const torch::Tensor& reference, int64_t k,
                        int64_t parts = 2) {
  return manifold_metrics(samples, reference, k, parts, make_generator(1, "parts"));
}

}  // namespace

TEST_CASE("precision, recall, density and coverage of a few points by hand", "[metrics][oracle]") {
  // k = 1.  Reference 0, 1, 3, 7 with radii 1, 1, 2, 4: balls [-1, 1], [0, 2], [1, 5], [3, 11].
  // Samples 0.4, 4, 20, 24.5 with radii 3.6, 3.6, 4.5, 4.5: balls [-3.2, 4], [0.4, 7.6],
  // [15.5, 24.5], [20, 29].
  const auto m = measure(on_line({0.4, 4, 20, 24.5}), on_line({0, 1, 3, 7}), 1);
  CHECK_THAT(m.precision.value, WithinRel(2.0 / 4, 1e-12));  // 0.4 and 4 are in some ball
  CHECK_THAT(m.recall.value, WithinRel(4.0 / 4, 1e-12));   // 0, 1, 3 in the first, 7 in the second
  CHECK_THAT(m.density.value, WithinRel(4.0 / 4, 1e-12));  // 0.4 in two balls, 4 in two
  CHECK_THAT(m.coverage.value, WithinRel(4.0 / 4, 1e-12));

  // k = 2: reference radii 3, 2, 3, 6; balls [-3, 3], [-1, 3], [0, 6], [1, 13].
  const auto two = measure(on_line({2.5, 30, 31, 32, 33, 34}), on_line({0, 1, 3, 7, 100, 101}), 2);
  CHECK_THAT(two.precision.value, WithinRel(6.0 / 6, 1e-12));  // the balls of 100, 101 reach to 7
  CHECK_THAT(two.density.value, WithinRel((4 + 5 * 2.0) / (2 * 6), 1e-12));
  CHECK_THAT(two.coverage.value, WithinRel(6.0 / 6, 1e-12));
}

TEST_CASE("sets far apart have none of each other", "[metrics][oracle]") {
  const auto m = measure(normal({60, 5}, 1), 100 + normal({40, 5}, 2), 5);
  CHECK(m.precision.value == 0);
  CHECK(m.recall.value == 0);
  CHECK(m.density.value == 0);
  CHECK(m.coverage.value == 0);
}

TEST_CASE("a collapsed set has precision without recall or coverage", "[metrics]") {
  const auto reference = normal({200, 3}, 1);
  const auto samples = 0.01 * normal({200, 3}, 2);
  const auto m = measure(samples, reference, 5);
  CHECK(m.precision.value == 1);
  CHECK(m.recall.value < 0.05);
  CHECK(m.coverage.value < 0.5);
}

TEST_CASE("density and coverage of equal laws are as expected and their errors honest",
          "[metrics][oracle][statistical]") {
  constexpr int64_t repetitions = 200, n = 150, m = 200, k = 5, parts = 10;
  std::vector<ManifoldMetrics> found;
  for (int64_t i = 0; i < repetitions; ++i) {
    found.push_back(measure(normal({m, 4}, 1000 + i), normal({n, 4}, 6000 + i), k, parts));
  }
  const auto of = [&](MetricEstimate ManifoldMetrics::*which, double truth) {
    return coverage(repetitions, truth,
                    [&, i = size_t{0}](uint64_t) mutable { return found[i++].*which; });
  };
  const auto density = of(&ManifoldMetrics::density, 1);
  CHECK_THAT(density.mean, WithinAbs(1, 4 * density.error_of_mean(repetitions)));
  const double wanted = expected_coverage(n, m, k);
  const auto covered = of(&ManifoldMetrics::coverage, wanted);
  CHECK_THAT(covered.mean, WithinAbs(wanted, 4 * covered.error_of_mean(repetitions)));
  const auto precision = of(&ManifoldMetrics::precision, 1);
  const auto recall = of(&ManifoldMetrics::recall, 1);
  INFO("ratios " << density.ratio << " " << covered.ratio << " " << precision.ratio << " "
                 << recall.ratio << ", covered " << density.share << " " << covered.share);
  for (const auto& one : {density, covered, precision, recall}) {
    CHECK(one.ratio > 0.6);  // coverage, near 1, varies less in parts of 15
    CHECK(one.ratio < 1.5);
  }
  // N = M = 2, k = 1: a ball is missed if its neighbour is the nearest of three points.
  CHECK_THAT(expected_coverage(2, 2, 1), WithinRel(1 - 1.0 / 3, 1e-12));
}

TEST_CASE("distances are taken block by block", "[metrics][oracle]") {
  // 1000 clusters of 6, far apart: every point's 5th neighbour is in its cluster.
  const auto centre = 100 * torch::arange(1000, torch::kFloat64).unsqueeze(1);
  const auto cluster = [&](double shift) {
    const auto offset = torch::arange(6, torch::kFloat64) + shift;
    return (centre + offset).flatten().unsqueeze(1);
  };
  const auto m = measure(cluster(0.5).slice(0, 0, 3000), cluster(0), 5);
  CHECK(m.precision.value == 1);
  CHECK(m.recall.value == 0.5);
  CHECK(m.coverage.value == 0.5);
}
