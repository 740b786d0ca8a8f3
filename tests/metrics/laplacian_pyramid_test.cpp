#include "metrics/laplacian_pyramid.h"

#include "core/torch.h"
#include "tests/metrics/coverage.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

PyramidDistances measured(const torch::Tensor& a, const torch::Tensor& b) {
  return pyramid_distances(a, b, {.patches = 32, .projections = 64, .parts = 4},
                           make_generator(3, "pyramid"));
}

/// Waves of `period` pixels at random phases, [N, 1, side, side].
torch::Tensor waves(int64_t n, int64_t side, double period, uint64_t seed) {
  auto rng = make_generator(seed, "waves");
  const auto phase = 2 * M_PI * torch::rand({n, 1, 1, 1}, rng, torch::kFloat64);
  const auto x = 2 * M_PI / period * torch::arange(side, torch::kFloat64);
  return (x + phase).sin() * (x.unsqueeze(1) + 2 * phase).sin();
}

}  // namespace

TEST_CASE("a Laplacian pyramid has levels down to 14 pixels and adds up to its image",
          "[metrics][oracle]") {
  CHECK(pyramid_levels(1024, 1024) == 7);  // to 16, as Karras et al.
  CHECK(pyramid_levels(32, 32) == 2);
  CHECK(pyramid_levels(28, 28) == 2);
  CHECK(pyramid_levels(27, 64) == 1);
  CHECK(pyramid_levels(4, 4) == 1);
  // A constant image and a slope, which the kernel keeps away from the edges, have no detail.
  const auto slope = torch::arange(40, torch::kFloat64).view({1, 1, 1, 40}).expand({1, 2, 40, 40});
  const auto levels = laplacian_pyramid(slope.to(torch::kFloat32), 2);
  REQUIRE(levels.size() == 2);
  CHECK(levels[1].sizes() == torch::IntArrayRef({1, 2, 20, 20}));
  CHECK(levels[0].slice(3, 6, 34).abs().max().item<double>() < 1e-4);
  const auto halved = levels[1][0][0][10].slice(0, 3, 17);
  CHECK(torch::allclose(halved, 2 * torch::arange(3, 17, torch::kFloat32), 1e-5));
  // A checkerboard is all detail.
  const auto board = torch::arange(40).view({40, 1}).add(torch::arange(40)).remainder(2);
  const auto detail = laplacian_pyramid(board.to(torch::kFloat32).view({1, 1, 40, 40}), 2);
  CHECK(torch::allclose(detail[1].slice(2, 2, 18).slice(3, 2, 18),
                        torch::full({1, 1, 16, 16}, 0.5F), 1e-5));
}

TEST_CASE("patches of equal sets are 0 apart and of brighter ones too", "[metrics][oracle]") {
  const auto a = normal({40, 3, 32, 32}, 1);
  CHECK(measured(a, a).mean.value == 0);
  CHECK_THAT(measured(a, 3 * a + 1).mean.value, WithinAbs(0, 1e-4));
}

TEST_CASE("a difference of one scale appears at its level of the pyramid", "[metrics][oracle]") {
  const auto base = normal({60, 1, 64, 64}, 1), other = normal({60, 1, 64, 64}, 2);
  const auto same = measured(base, other);
  CHECK(same.heights == std::vector<int64_t>({64, 32, 16}));
  const auto fine = measured(base + 3 * waves(60, 64, 3, 3), other);
  const auto coarse = measured(base + 2 * waves(60, 64, 32, 3), other);
  INFO("same " << same.levels[0].value << " " << same.levels[2].value << ", fine "
               << fine.levels[0].value << " " << fine.levels[2].value << ", coarse "
               << coarse.levels[0].value << " " << coarse.levels[2].value);
  CHECK(fine.levels[0].value > 3 * same.levels[0].value);
  CHECK(fine.levels[2].value < 2 * same.levels[2].value);
  CHECK(coarse.levels[2].value > 3 * same.levels[2].value);
  CHECK(coarse.levels[0].value < 2 * same.levels[0].value);
  for (const auto& level : fine.levels) CHECK(level.standard_error > 0);
}
