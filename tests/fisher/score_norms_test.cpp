#include "fisher/score_norms.h"

#include <cmath>

#include "core/error.h"
#include "core/random.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("the mean square of score norms of Gaussian data is their Fisher fraction",
          "[fisher][oracle][statistical]") {
  const int64_t n = 4000, d = 16;
  const double std = 0.5;
  auto rng = make_generator(3, "test");
  ScoreNorms norms(0.01, 100, 4);
  for (const double level : {0.05, 0.5, 5.0, 50.0}) {  // one in each band
    const auto x0 = std * torch::randn({n, 1, 4, 4}, rng, torch::kFloat64);
    const auto noise = torch::randn(x0.sizes(), rng, x0.options());
    const auto sigma = torch::full({n}, level, torch::kFloat64);
    const double kept = std * std / (std * std + level * level);
    norms.add(x0, noise, sigma, kept * (x0 + level * noise));
  }
  const auto bands = norms.bands();
  REQUIRE(bands.size() == 4);
  for (size_t i = 0; i < 4; ++i) {
    const double level = std::vector<double>{0.05, 0.5, 5.0, 50.0}[i];
    const double fraction = level * level / (std * std + level * level);
    REQUIRE(bands[i].count == n);
    REQUIRE(bands[i].sigma_low < level);
    REQUIRE(level < bands[i].sigma_high);
    // d |s|^2 sigma^2 / (d j) is chi-squared of d degrees of freedom.
    const double error = fraction * std::sqrt(2.0 / static_cast<double>(d * n));
    REQUIRE_THAT(bands[i].sum_squares / bands[i].count, WithinAbs(fraction, 4 * error));
    double below = 0, mean = 0;
    for (size_t k = 0; k < bands[i].counts.size(); ++k) {
      below += bands[i].counts[k];
      mean += bands[i].counts[k] * (static_cast<double>(k) + 0.5) * ScoreNorms::kBucketWidth;
    }
    REQUIRE(below == bands[i].count);
    REQUIRE_THAT(mean / below,
                 WithinAbs(bands[i].sum / bands[i].count, 0.5 * ScoreNorms::kBucketWidth));
  }
}

TEST_CASE("a score norm falls into the bucket that ends at or after it", "[fisher]") {
  ScoreNorms norms(1, 10, 1);
  // With x0 = denoised the norm is that of the noise.
  const auto zero = torch::zeros({3, 4}), sigma = torch::tensor({2.0, 0.5, 20.0});
  const auto noise = torch::tensor({0.019, 0.5, 7.0}).unsqueeze(1).expand({3, 4});
  norms.add(zero, noise, sigma, zero);
  const auto band = norms.bands().at(0);
  REQUIRE(band.count == 3);  // levels outside count with the nearest band
  REQUIRE(band.counts[0] == 1);
  REQUIRE(band.counts[24] + band.counts[25] == 1);  // 0.5 is an edge
  REQUIRE(band.counts[ScoreNorms::kBuckets] == 1);
  REQUIRE_THAT(band.min, WithinRel(0.019, 1e-6));
  REQUIRE_THAT(band.max, WithinRel(7.0, 1e-6));
  REQUIRE_THAT(band.sum, WithinRel(7.519, 1e-6));

  ScoreNorms copy(1, 10, 1);
  copy.load(norms.state());
  copy.add(zero, noise, sigma, zero);
  REQUIRE(copy.bands().at(0).count == 6);
  REQUIRE(norms.bands().at(0).count == 3);
  REQUIRE_THROWS_AS(ScoreNorms(1, 10, 2).load(norms.state()), CheckpointError);
  norms.clear();
  REQUIRE(norms.bands().empty());
}
