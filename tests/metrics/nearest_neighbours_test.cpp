#include "metrics/nearest_neighbours.h"

#include "core/torch.h"
#include "tests/metrics/coverage.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("nearest neighbours are those of all distances", "[metrics][oracle]") {
  // More rows and a larger set than a block of each.
  const auto rows = normal({300, 6}, 1), set = normal({9000, 6}, 2);
  const auto found = nearest_neighbours(rows, set, 3);
  const auto [wanted, where] = torch::cdist(rows, set, 2, /*compute_mode=*/2).topk(3, 1, false);
  CHECK((found.distances - wanted).abs().max().item<double>() < 1e-5);
  CHECK((found.indices == where).to(torch::kFloat64).mean().item<double>() > 0.999);
}

TEST_CASE("planted copies are found, exactly and among bytes too", "[metrics][oracle]") {
  const bool bytes = GENERATE(false, true);
  auto rng = make_generator(1, "images");
  auto training = torch::randint(0, 256, {500, 1, 8, 8}, rng, torch::kUInt8);
  auto samples = torch::randint(0, 256, {100, 1, 8, 8}, rng, torch::kUInt8);
  for (int64_t i = 0; i < 7; ++i) samples[10 * i] = training[3 * i];
  if (!bytes) {
    training = training.to(torch::kFloat32) / 127.5 - 1;
    samples = samples.to(torch::kFloat32) / 127.5 - 1;
  }
  const auto found = nearest_neighbours(samples, training, 2);
  for (int64_t i = 0; i < 7; ++i) {
    CHECK(found.distances[10 * i][0].item<double>() == 0);
    CHECK(found.indices[10 * i][0].item<int64_t>() == 3 * i);
  }
  const auto share = copy_share(found);
  CHECK(share.value == 0.07);
  CHECK_THAT(share.standard_error, WithinRel(std::sqrt(0.07 * 0.93 / 100), 1e-12));
  const auto order = nearest_ratio(found).argsort().slice(0, 0, 7);
  CHECK((order.remainder(10) == 0).all().item<bool>());
}

TEST_CASE("a copy of an image that is there twice is a copy", "[metrics]") {
  const auto training = normal({10, 4}, 1);
  const auto found =
      nearest_neighbours(training.slice(0, 0, 1), torch::cat({training, training}), 2);
  CHECK(nearest_ratio(found)[0].item<double>() == 0);
}

TEST_CASE("the z-score of copying is a standard normal for fresh data and far below for copies",
          "[metrics][oracle][statistical]") {
  const auto fresh = coverage(200, 0, [](uint64_t seed) -> MetricEstimate {
    const auto training = normal({300, 3}, seed);
    return {copying_z(nearest_neighbours(normal({150, 3}, seed + 5000), training, 2),
                      nearest_neighbours(normal({100, 3}, seed + 9000), training, 2)),
            1};
  });
  CHECK_THAT(fresh.mean, WithinAbs(0, 4 * fresh.error_of_mean(200)));
  CHECK_THAT(fresh.deviation, WithinAbs(1, 4 / std::sqrt(2 * 200.0)));

  const auto training = normal({300, 3}, 1);
  const auto held_out = nearest_neighbours(normal({100, 3}, 2), training, 2);
  const auto copies = training.slice(0, 0, 150) + 0.01 * normal({150, 3}, 3);
  CHECK(copying_z(nearest_neighbours(copies, training, 2), held_out) < -5);
  // Of 2 and 1 distances, both samples nearer: U = 0 of mean 1 and variance 2 (2 + 1 + 1) / 12.
  const auto at = [](std::vector<double> x) -> NearestNeighbours {
    return {torch::tensor(x, torch::kFloat64).unsqueeze(1), {}};
  };
  CHECK_THAT(copying_z(at({1, 2}), at({3})), WithinRel(-1 / std::sqrt(8.0 / 12), 1e-12));
  CHECK_THAT(copying_z(at({1, 1}), at({1})), WithinAbs(0, 1e-12));
}
