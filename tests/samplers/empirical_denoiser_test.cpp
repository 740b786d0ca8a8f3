#include "core/empirical_denoiser.h"

#include "samplers/registry.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("the exact denoiser of a set of images returns them: each, and as often as the others",
          "[sampler][oracle][statistical]") {
  // Eight images of one length, so that the first noise level favours none of them.
  const int64_t count = 8;
  const auto images = (2 * torch::eye(count) - 1).view({count, 1, 2, 4});
  EmpiricalDenoiser denoiser(images);
  SamplerOptions options;
  options.name = GENERATE(as<std::string>{}, "heun", "ddpm");
  options.steps = 40;
  const auto sampler = make_sampler(options);
  const int64_t samples = 2000;
  const auto x = draw_samples(*sampler, denoiser, {samples, 1, 2, 4},
                              make_grid(options, ModelRange{}), /*seed=*/5, /*first=*/0);
  const auto [distance, nearest] =
      torch::cdist(x.flatten(1), images.flatten(1)).min(/*dim=*/1, /*keepdim=*/false);
  REQUIRE(distance.max().item<double>() < 1e-5);
  const double p = 1.0 / static_cast<double>(count);
  const double error = std::sqrt(samples * p * (1 - p));
  for (int64_t i = 0; i < count; ++i) {
    REQUIRE_THAT((nearest == i).sum().item<double>(), WithinAbs(samples * p, 5 * error));
  }
}
