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
