#include "core/random.h"

#include "tests/support/catch.h"

using namespace halcyon;

TEST_CASE("noise of a sample does not depend on the batch it is drawn in", "[core][property]") {
  const auto x = torch::empty({6, 3}, torch::kFloat64);
  const auto together = NoiseSource(5, 0, 6).normal_like(x);
  const auto apart = NoiseSource(5, 4, 2).normal_like(x.narrow(0, 0, 2));
  REQUIRE(torch::equal(together.narrow(0, 4, 2), apart));
}

TEST_CASE("streams of different names, indices and seeds differ", "[core][property]") {
  const auto draw = [](at::Generator rng) { return torch::randn({8}, rng); };
  const auto a = draw(make_generator(1, "noise"));
  REQUIRE(torch::equal(a, draw(make_generator(1, "noise"))));
  REQUIRE_FALSE(torch::equal(a, draw(make_generator(1, "shuffle"))));
  REQUIRE_FALSE(torch::equal(a, draw(make_generator(1, "noise", 1))));
  REQUIRE_FALSE(torch::equal(a, draw(make_generator(2, "noise"))));
}
