#include "data/dequantization.h"

#include "core/random.h"
#include "data/image_set.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("dequantised pixels are uniform over their bins and round back", "[data][statistical]") {
  auto rng = make_generator(1, "test");
  const auto pixels = torch::arange(256, torch::kInt64).to(torch::kUInt8).repeat({400});
  const auto x = dequantize(pixels, rng);
  REQUIRE(x.scalar_type() == torch::kFloat32);
  REQUIRE(torch::equal(to_pixels(x), pixels));
  const auto offset = ((x - to_model_units(pixels)) / kPixelBinWidth).to(torch::kFloat64);
  const auto n = static_cast<double>(pixels.numel());
  // Mean 0 and variance 1 / 12 of a uniform bin, whose square has variance 1 / 180.
  REQUIRE_THAT(offset.mean().item<double>(), WithinAbs(0, 5 * std::sqrt(1 / (12 * n))));
  REQUIRE_THAT(offset.square().mean().item<double>(),
               WithinAbs(1.0 / 12, 5 * std::sqrt(1 / (180 * n))));
}
