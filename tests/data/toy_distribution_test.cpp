#include "data/toy_distribution.h"

#include "core/error.h"
#include "core/random.h"
#include "data/registry.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("toys have the Fisher information of their published tables", "[data][oracle]") {
  const auto lowrank = find_toy("toy:lowrank").make();
  REQUIRE_THAT(lowrank.fisher_information(0.5), WithinRel(239.332127, 1e-8));
  REQUIRE_THAT(lowrank.mmse(1.0), WithinRel(3.24117647, 1e-8));
  const auto mixture = find_toy("toy:mixture").make();
  REQUIRE_THAT(mixture.fisher_information(1.0), WithinRel(12.5178863, 1e-8));
}

TEST_CASE("the waves of toy:lowrank are orthonormal and constant first", "[data][oracle]") {
  const auto lowrank = find_toy("toy:lowrank").make();
  auto rng = make_generator(1, "test");
  const auto x = lowrank.sample(20000, rng);
  // The mean over pixels is a_0 / 8 with variance 16 / 64; |x|^2 is 25.25 on average.
  const auto pixel_mean = x.mean(1);
  REQUIRE_THAT(pixel_mean.var().item<double>(), WithinRel(0.25, 5 * std::sqrt(2.0 / 20000)));
  const auto energy = x.square().sum(1);
  const double error = energy.std().item<double>() / std::sqrt(20000.0);
  REQUIRE_THAT(energy.mean().item<double>(), WithinAbs(25.25, 5 * error));
}

TEST_CASE("toys load as sets: the same draws again, others for the test split", "[data]") {
  DataOptions options;
  options.path = "toy:mixture";
  options.limit = 100;
  const auto set = load_image_set(options);
  REQUIRE(set.images.sizes() == torch::IntArrayRef({100, 1, 4, 4}));
  REQUIRE(set.images.scalar_type() == torch::kFloat32);
  REQUIRE(torch::equal(set.images, load_image_set(options).images));
  options.split = DataSplit::test;
  REQUIRE_FALSE(torch::equal(set.images, load_image_set(options).images));
  options.path = "toy:mixtrue";
  REQUIRE_THROWS_WITH(load_image_set(options), Contains("'mixture'"));
}
