#include "fisher/mean_score.h"

#include "core/random.h"
#include "tests/fisher/gaussian_fields.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("the participation ratio of exact scores is that of the closed form",
          "[fisher][oracle][statistical]") {
  auto rng = make_generator(1, "test");
  auto deficient = deficient_gaussian(rng);
  auto field = stationary_field();
  const auto measure = [&](GaussianMixture& data, double sigma, int64_t count) {
    const auto x = noisy(data, count, sigma, rng);
    MeanScore scores(data.dim());
    scores.add(score(data, x, torch::full({count}, sigma, x.options())));
    return scores.participation_ratio();
  };
  REQUIRE_THAT(measure(deficient, 0.5, 20000), WithinRel(2.39162, 0.03));
  REQUIRE_THAT(measure(deficient, 2.0, 20000), WithinRel(3.78456, 0.03));
  REQUIRE_THAT(measure(field, 0.05, 2000), WithinRel(195.0355, 0.03));
  // Fewer draws than dimensions: where the plug-in would read 1 / (1 / 252.7 + 1 / 200) = 112.
  REQUIRE_THAT(measure(field, 0.5, 200), WithinRel(252.6636, 0.03));
}

TEST_CASE("the participation ratio is unbiased by batches of few",
          "[fisher][oracle][statistical]") {
  auto rng = make_generator(2, "test");
  const auto axes =
      torch::tensor({2.0, 1.0, 1.0, 0.5}, torch::kFloat64);  // (tr F)^2 / tr F^2 below
  MeanScore scores(4);
  for (const auto& batch : (axes * torch::randn({60000, 4}, rng, torch::kFloat64)).split(3)) {
    scores.add(batch);
  }
  const auto f = axes.square();
  REQUIRE_THAT(scores.participation_ratio(),
               WithinRel((f.sum().square() / f.square().sum()).item<double>(), 0.05));
}

TEST_CASE("the z of a mean score that is 0 has a spread of 1", "[fisher][statistical]") {
  auto rng = make_generator(3, "test");
  const int runs = 400;
  double sum_z = 0, sum_z2 = 0;
  for (int run = 0; run < runs; ++run) {
    MeanScore scores(30);
    scores.add(torch::randn({500, 30}, rng, torch::kFloat64));
    sum_z += scores.z();
    sum_z2 += scores.z() * scores.z();
  }
  REQUIRE_THAT(sum_z / runs, WithinAbs(0, 5 / std::sqrt(1.0 * runs)));
  // Of chi squared with 30 degrees of freedom: excess kurtosis 12 / 30.
  REQUIRE_THAT(sum_z2 / runs, WithinAbs(1, 5 * std::sqrt(2.4 / runs)));
}
