#include "core/clamped_denoiser.h"

#include <cmath>

#include "core/error.h"
#include "core/gaussian_mixture.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

/// D = x, whatever the noise.
class Unchanged final : public Denoiser {
 public:
  torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor&) override { return x; }
};

/// 0, -1, 2, -3, ..., 10, and the same times 0.05: [2, 1, 1, 11].
torch::Tensor two_images() {
  const auto k = torch::arange(11, torch::kFloat64);
  const auto image = torch::where(k.remainder(2) == 0, k, -k).reshape({1, 1, 1, 11});
  return torch::cat({image, 0.05 * image});
}

torch::Tensor ones() { return torch::ones({2}, torch::kFloat64); }

}  // namespace

TEST_CASE("a clamped estimate is cut off at the limit and nowhere else", "[core][oracle]") {
  Unchanged inner;
  ClampedDenoiser clamped(inner, {.limit = 2.5});
  const auto got = clamped.denoise(two_images(), ones());
  const auto expected = torch::tensor({0, -1, 2, -3, 4, -5, 6, -7, 8, -9, 10}, torch::kFloat64);
  for (int64_t i = 0; i < 11; ++i) {
    const double value = expected[i].item<double>();
    const double cut = std::abs(value) > 2.5 ? std::copysign(2.5, value) : value;
    REQUIRE(got.flatten(1)[0][i].item<double>() == cut);
  }
  REQUIRE(torch::equal(got[1], two_images()[1]));
}

TEST_CASE("dynamic thresholding shrinks an image by its own quantile, and none into the range",
          "[core][oracle]") {
  Unchanged inner;
  // |D| of the first are 0 .. 10, whose 0.85-quantile is 8.5; those of the second are below 1.
  ClampedDenoiser clamped(inner, {.limit = 1, .quantile = 0.85});
  const auto got = clamped.denoise(two_images(), ones());
  const auto expected = two_images()[0].clamp(-8.5, 8.5) / 8.5;
  REQUIRE((got[0] - expected).abs().max().item<double>() < 1e-12);
  REQUIRE(torch::equal(got[1], two_images()[1]));
  ClampedDenoiser wider(inner, {.limit = 2, .quantile = 0.85});
  REQUIRE((wider.denoise(two_images(), ones())[0] - 2 * expected).abs().max().item<double>() <
          1e-12);
}

TEST_CASE("the exact denoiser of data within the limit is not changed", "[core][oracle]") {
  const auto u = torch::ones({1, 3}, torch::kFloat64);
  GaussianMixture points(torch::full({2}, 0.5), torch::cat({-u, u}), torch::zeros({3}));
  ClampedDenoiser clamped(points, {.limit = 1});
  const auto x = 3 * torch::linspace(-1, 1, 12, torch::kFloat64).reshape({4, 3});
  const auto sigma = torch::tensor({0.1, 0.5, 2.0, 40.0}, torch::kFloat64);
  const auto difference = clamped.denoise(x, sigma) - points.denoise(x, sigma);
  REQUIRE(difference.abs().max().item<double>() < 1e-14);
}

TEST_CASE("limits that make no range are refused by their key", "[core][error]") {
  Unchanged inner;
  const auto refused = [&](const ClampOptions& options, const char* key) {
    REQUIRE_THROWS_AS(ClampedDenoiser(inner, options), ConfigError);
    REQUIRE_THROWS_WITH(ClampedDenoiser(inner, options), Contains(key));
  };
  refused({.limit = -1}, "clamp.limit");
  refused({.limit = NAN}, "clamp.limit");
  refused({.limit = 0, .quantile = 0.9}, "clamp.limit");
  refused({.limit = 1, .quantile = 1}, "clamp.quantile");
  refused({.limit = 1, .quantile = -0.1}, "clamp.quantile");
}
