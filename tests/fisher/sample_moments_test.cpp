#include "fisher/sample_moments.h"

#include "core/random.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("moments merged from batches are those of all samples", "[fisher][oracle]") {
  auto rng = make_generator(1, "test");
  // A mean far from zero is where sums of squares would lose their digits.
  const auto x = torch::randn({100, 2}, rng, torch::kFloat64) + 1e6;
  SampleMoments moments(2);
  for (const auto& part : x.split_with_sizes({1, 60, 39})) moments.add(part);
  const auto difference = x.select(1, 0) - x.select(1, 1);
  const auto estimate = moments.combination({1, -1});
  REQUIRE(estimate.count == 100);
  REQUIRE_THAT(estimate.value, WithinAbs(difference.mean().item<double>(), 1e-8));
  REQUIRE_THAT(estimate.standard_error, WithinRel(difference.std().item<double>() / 10, 1e-8));
}

TEST_CASE("a copy of moments goes its own way", "[fisher]") {
  SampleMoments moments(1);
  moments.add(torch::tensor({{1.0}, {3.0}}, torch::kFloat64));
  auto copy = moments;
  copy.add(torch::tensor({{100.0}}, torch::kFloat64));
  CHECK(moments.mean(0).value == 2);
  CHECK(moments.mean(0).standard_error == 1);
  CHECK(copy.mean(0).count == 3);
}

TEST_CASE("the standard error of a ratio covers the true ratio as often as it should",
          "[fisher][statistical]") {
  auto rng = make_generator(2, "test");
  const int trials = 400;
  double sum_z2 = 0;
  for (int trial = 0; trial < trials; ++trial) {
    const auto u = torch::randn({200, 2}, rng, torch::kFloat64);
    const auto a = 2 + 0.5 * u.select(1, 0);
    const auto b = 3 * a + 0.3 * u.select(1, 1);
    SampleMoments moments(2);
    moments.add(torch::stack({a, b}, 1));
    const auto ratio = moments.ratio({0, 1}, {1, 0});
    sum_z2 += std::pow((ratio.value - 3) / ratio.standard_error, 2);
  }
  // The mean of z^2 is 1 up to the t distribution's excess, with standard deviation sqrt(2 / n).
  REQUIRE_THAT(sum_z2 / trials, WithinAbs(1, 5 * std::sqrt(2.0 / trials)));
}
