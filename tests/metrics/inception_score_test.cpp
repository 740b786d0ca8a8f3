#include "metrics/inception_score.h"

#include "core/torch.h"
#include "tests/metrics/coverage.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("the Inception score of a categorical has its closed forms", "[metrics][oracle]") {
  const auto score = [](const torch::Tensor& p) {
    return inception_score(p, /*splits=*/2, make_generator(1, "splits"));
  };
  // Nothing is told: 1.
  CHECK_THAT(score(torch::full({40, 8}, 1.0 / 8, torch::kFloat64)).value, WithinRel(1, 1e-12));
  // Every sample is surely of one class, and the splits have both classes evenly: 2.  A sample that
  // says p of 1/2 +- d of two classes: exp(ln 2 - H(1/2 + d)).
  const auto pair = [](double p) {
    const auto row = torch::tensor({{p, 1 - p}, {1 - p, p}}, torch::kFloat64);
    return row.repeat({20000, 1});
  };
  const double p = 0.9;
  const double entropy = -p * std::log(p) - (1 - p) * std::log(1 - p);
  CHECK_THAT(score(pair(1)).value, WithinRel(2, 1e-3));
  CHECK_THAT(score(pair(p)).value, WithinRel(std::exp(std::log(2) - entropy), 1e-3));
}

TEST_CASE("the Inception score's error covers", "[metrics][statistical]") {
  constexpr int64_t repetitions = 200, n = 2000, classes = 5;
  // Sure of a class drawn evenly: K, less (K - 1) splits / (2 N) K of its bias.
  const auto found = coverage(repetitions, classes, [&](uint64_t seed) {
    auto rng = make_generator(seed, "test");
    const auto blurred = torch::randn({n, classes}, rng, torch::kFloat64).softmax(1);
    return inception_score(blurred, 10, make_generator(seed, "splits"));
  });
  CHECK(found.ratio > 1 - kRatioTolerance);
  CHECK(found.ratio < 1 + kRatioTolerance);
}
