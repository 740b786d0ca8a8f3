#include "metrics/set_distances.h"

#include <torch/torch.h>

#include "core/random.h"
#include "tests/support/catch.h"
#include "tests/support/golden.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

torch::Tensor normal(torch::IntArrayRef shape, uint64_t seed) {
  auto rng = make_generator(seed, "test");
  return torch::randn(shape, rng, torch::kFloat64);
}

}  // namespace

TEST_CASE("the Frechet distance is that of other programs", "[metrics][golden]") {
  const auto golden =
      load_golden(std::string(HALCYON_GOLDEN_DIR) + "/metrics/frechet_kid.safetensors");
  CHECK_THAT(frechet_distance(golden.at("a"), golden.at("b")),
             WithinRel(golden.at("frechet").item().toDouble(), 1e-3));
}

TEST_CASE("the Frechet distance of Gaussian sets tends to its closed form",
          "[metrics][oracle][statistical]") {
  const auto scale = torch::tensor({1.0, 2.0, 0.5}, torch::kFloat64);
  const auto a = normal({200000, 3}, 1);
  const auto b = 1 + scale * normal({200000, 3}, 2);
  // 3 of the means, (1 - s)^2 of each axis.
  CHECK_THAT(frechet_distance(a, b), WithinRel(3 + 1 + 0.25, 0.02));
  CHECK_THAT(frechet_distance(a, a), WithinAbs(0, 1e-9));
}

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

TEST_CASE("the bootstrap's error is the spread over fresh sets", "[metrics][statistical]") {
  const auto mean_distance = [](const torch::Tensor& x, const torch::Tensor& y) {
    return (x.mean() - y.mean()).item<double>();
  };
  const auto d = with_bootstrap_error(mean_distance, normal({400, 1}, 1), normal({400, 1}, 2), 400,
                                      make_generator(3, "bootstrap"));
  CHECK_THAT(d.standard_error, WithinRel(std::sqrt(2.0 / 400), 0.2));
}

TEST_CASE("random features are the same every time and tell textures apart", "[metrics]") {
  const auto smooth = torch::nn::functional::interpolate(
      normal({64, 1, 4, 4}, 1), torch::nn::functional::InterpolateFuncOptions()
                                    .size(std::vector<int64_t>{16, 16})
                                    .mode(torch::kBilinear)
                                    .align_corners(false));
  const auto rough = normal({64, 1, 16, 16}, 2) * smooth.std();
  const auto features = random_features(smooth);
  CHECK(features.sizes() == torch::IntArrayRef({64, 448}));
  CHECK(torch::equal(features, random_features(smooth)));
  CHECK(
      torch::allclose(features.slice(0, 0, 3), random_features(smooth.slice(0, 0, 3)), 1e-4, 1e-5));
  const auto half = [&](const torch::Tensor& f, int k) { return f.slice(0, 32 * k, 32 * (k + 1)); };
  CHECK(frechet_distance(features, random_features(rough)) >
        3 * frechet_distance(half(features, 0), half(features, 1)));
}
