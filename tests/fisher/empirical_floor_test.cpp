#include "fisher/empirical_floor.h"

#include "core/empirical_denoiser.h"
#include "tests/fisher/measure.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const auto kDouble = torch::kFloat64;

/// Floor of `images` at sigma from `count` draws of them.
Estimate floor_of(const torch::Tensor& images, double sigma, int64_t count, at::Generator& rng) {
  EmpiricalDenoiser memory(images);
  EmpiricalFloor floor(sigma, images[0].numel());
  const auto drawn = torch::randint(0, images.size(0), {count}, rng, torch::kLong);
  for (const auto& x0 : images.index_select(0, drawn).split(5000)) {
    floor.add(memory, x0, torch::randn(x0.sizes(), rng, x0.options()));
  }
  return floor.estimate();
}

}  // namespace

TEST_CASE("the floor of two images is the mmse of a sign", "[fisher][oracle][statistical]") {
  const auto images = torch::tensor({-1.0, 1.0}, kDouble).view({2, 1, 1, 1});
  auto rng = make_generator(1, "test");
  const double sigma = GENERATE(0.5, 1.0, 3.0);
  const auto floor = floor_of(images, sigma, enough_samples(1, sigma), rng);
  require_estimate(floor, sign_mmse(1 / (sigma * sigma)) / (sigma * sigma));
}

TEST_CASE("floors of training sets lie below the mmse of their law on average",
          "[fisher][oracle][statistical]") {
  const GaussianMixture law(torch::ones({1}), torch::zeros({1, 2}), torch::tensor({1.0, 0.25}));
  auto rng = make_generator(2, "test");
  const double sigma = GENERATE(0.1, 0.5, 2.0);
  const double least = law.mmse(sigma) / (2 * sigma * sigma);
  SampleMoments floors(1);
  for (int set = 0; set < 60; ++set) {
    const auto floor = floor_of(law.sample(10, rng), sigma, 500, rng);
    floors.add(torch::full({1, 1}, floor.value, kDouble));
  }
  const auto floor = floors.mean(0);
  INFO("sigma " << sigma << ": " << floor.value << " +- " << floor.standard_error << " below "
                << least);
  REQUIRE(floor.value + 5 * floor.standard_error < least);
  // Far above the distances of the images the floor is that of their variance: (1 - 1 / N) as much.
  if (sigma == 2.0) REQUIRE(floor.value + 5 * floor.standard_error > 0.9 * least);
}

TEST_CASE("the loss above the floor bounds the Fisher divergence", "[fisher][oracle]") {
  const Estimate loss{0.5, 0.03, 300};
  const Estimate floor{0.2, 0.04, 100};
  const auto bound = fisher_divergence_bound(loss, floor);
  REQUIRE_THAT(bound.value, WithinRel(0.3, 1e-12));
  REQUIRE_THAT(bound.standard_error, WithinRel(0.05, 1e-12));
  REQUIRE(bound.count == 100);
}
