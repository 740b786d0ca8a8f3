#include "metrics/sliced_wasserstein.h"

#include "core/torch.h"
#include "tests/metrics/coverage.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("the sliced Wasserstein distance of a shift is its length over the root of d",
          "[metrics][oracle]") {
  const auto a = normal({500, 2, 4, 4}, 1);
  const auto shift = normal({1, 2, 4, 4}, 3);
  const double length = shift.norm().item<double>();
  // E (u . shift)^2 = |shift|^2 / d over unit vectors u; 4000 of them, each of relative spread 1.4.
  const double got = sliced_wasserstein(a, a + shift, 4000, make_generator(5, "directions"));
  CHECK_THAT(got, WithinRel(length / std::sqrt(32.0), 5 * 0.5 * 1.4 / std::sqrt(4000)));
  CHECK(sliced_wasserstein(a, a.flip(0), 10, make_generator(5, "directions")) == 0);
}

TEST_CASE("the sliced Wasserstein-1 distance of a shift is its mean projection",
          "[metrics][oracle][statistical]") {
  // E |u . s| = |s| sqrt(2 / (pi d)) in many dimensions; in 3, where u_1 is uniform, |s| / 2.
  const auto a = normal({50, 3}, 1);
  const auto shift = torch::tensor({0.0, 2.0, 0.0}, torch::kFloat64);
  CHECK_THAT(sliced_wasserstein_1(a, a + shift, 4000, make_generator(5, "directions")),
             WithinRel(1.0, 5 * 0.58 / std::sqrt(4000)));
}

TEST_CASE("the error by parts of a sliced distance is the spread over fresh sets",
          "[metrics][statistical]") {
  constexpr int64_t repetitions = 100, n = 400;
  const double shift = GENERATE(0.0, 0.7);
  const auto distance = [](const torch::Tensor& x, const torch::Tensor& y) {
    return sliced_wasserstein(x, y, 64, make_generator(5, "directions"));
  };
  const auto found = coverage(repetitions, shift, [&](uint64_t seed) -> MetricEstimate {
    const auto a = normal({n, 4}, seed), b = shift + normal({n, 4}, seed + 5000);
    auto rng = make_generator(seed, "parts");
    return {distance(a, b), error_by_parts(distance, a, b, 10, rng)};
  });
  INFO("ratio " << found.ratio);
  CHECK(found.ratio > 1 - 1.5 * kRatioTolerance);  // of half as many repetitions
  CHECK(found.ratio < 1 + 1.5 * kRatioTolerance);
}
