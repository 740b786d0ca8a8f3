#include "core/random.h"
#include "data/toy_distribution.h"
#include "fisher/fisher_level.h"
#include "samplers/registry.h"
#include "tests/support/catch.h"

using namespace halcyon;

TEST_CASE("the README's example of the library works", "[cli][oracle][statistical]") {
  auto toy = find_toy("toy:mixture").make();  // a Denoiser: the exact one of a mixture
  auto options = SamplerOptions{.name = "heun", .steps = 18};
  auto images = draw_samples(*make_sampler(options), toy, {64, 1, 4, 4},
                             make_grid(options, ModelRange()), /*seed=*/1, /*first=*/0);

  auto rng = make_generator(/*seed=*/1, "fisher");
  FisherLevel level(/*sigma=*/0.5, /*dim=*/16, /*probes=*/1);
  auto x0 = toy.sample(10000, rng);
  level.add(toy, x0, torch::randn(x0.sizes(), rng, x0.options()), rng);
  Estimate j = level.estimates().fisher_info_obs;

  REQUIRE(images.sizes() == torch::IntArrayRef({64, 1, 4, 4}));
  INFO(j.value << " +- " << j.standard_error);
  REQUIRE(std::abs(j.value - toy.fisher_information(0.5)) < 5 * j.standard_error);
}
