#include "core/brownian_path.h"

#include "core/error.h"
#include "core/torch.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const auto kLike = torch::empty({4, 5000}, torch::kFloat64);

double correlation(const torch::Tensor& a, const torch::Tensor& b) {
  return ((a - a.mean()) * (b - b.mean())).mean().item<double>() /
         std::sqrt(a.var().item<double>() * b.var().item<double>());
}

}  // namespace

TEST_CASE("increments of a Brownian path are standard normal and independent",
          "[core][oracle][statistical]") {
  BrownianPath path(5, 0, 4);
  const std::vector<double> sigmas = {80, 61, 10, 9.99, 1.3, 0.4, 0.003};
  std::vector<torch::Tensor> increments;
  for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
    increments.push_back(path.increment(sigmas[i], sigmas[i + 1], kLike));
  }
  const double n = 20000;
  for (size_t i = 0; i < increments.size(); ++i) {
    CAPTURE(i);
    const auto& z = increments[i];
    CHECK_THAT(z.mean().item<double>(), WithinAbs(0, 5 / std::sqrt(n)));
    CHECK_THAT(z.square().mean().item<double>(), WithinAbs(1, 5 * std::sqrt(2 / n)));
    CHECK_THAT(z.pow(4).mean().item<double>(), WithinAbs(3, 5 * std::sqrt(96 / n)));
    for (size_t j = 0; j < i; ++j) {
      CHECK_THAT(correlation(z, increments[j]), WithinAbs(0, 5 / std::sqrt(n)));
    }
    for (int64_t k = 1; k < 4; ++k) {  // of one sample and another, and of neighbours
      CHECK_THAT(correlation(z[0], z[k]), WithinAbs(0, 5 / std::sqrt(n / 4)));
    }
    CHECK_THAT(correlation(z.slice(1, 1), z.slice(1, 0, -1)), WithinAbs(0, 5 / std::sqrt(n)));
  }
}

TEST_CASE("draws of neighbouring midpoints share nothing", "[core][statistical]") {
  // Steps of one cell, where the deepest midpoints tell; of each element and those after it.
  BrownianPath path(5, 0, 4);
  const double cell = 48.0 / (1 << 20);
  std::vector<torch::Tensor> increments;
  for (int k = 0; k < 4; ++k) {
    increments.push_back(path.increment(std::exp2(-k * cell), std::exp2(-(k + 1) * cell), kLike));
  }
  for (size_t i = 0; i < increments.size(); ++i) {
    for (size_t j = 0; j < increments.size(); ++j) {
      for (const int64_t lag : {1, 2, 4, 8, 12, 16}) {
        CAPTURE(i, j, lag);
        const auto a = increments[i].slice(1, lag);
        const auto b = increments[j].slice(1, 0, -lag);
        CHECK_THAT(correlation(a, b), WithinAbs(0, 5 / std::sqrt(20000.0)));
      }
    }
  }
}

TEST_CASE("a finer grid keeps to the same path, in whatever order it is asked for",
          "[core][property]") {
  BrownianPath whole(5, 0, 4);
  BrownianPath parts(5, 0, 4);
  const double length = std::log(8.0);
  const auto scaled = [&](double from, double to) {
    return parts.increment(from, to, kLike) * std::sqrt(std::log(from / to) / length);
  };
  auto sum = scaled(2, 1);
  sum = sum + scaled(8, 3.5);
  sum = sum + scaled(3.5, 2);
  CHECK(torch::allclose(sum, whole.increment(8, 1, kLike), 1e-4, 1e-4));
}

TEST_CASE("a sample's path does not depend on its batch, and is its seed's", "[core][property]") {
  const auto like = kLike.narrow(1, 0, 7);
  const auto together = BrownianPath(5, 0, 4).increment(3, 1, like);
  CHECK(torch::equal(together.narrow(0, 2, 2),
                     BrownianPath(5, 2, 2).increment(3, 1, like.narrow(0, 0, 2))));
  CHECK_FALSE(torch::equal(together, BrownianPath(6, 0, 4).increment(3, 1, like)));
  CHECK(BrownianPath(5, 0, 4).increment(3, 1, like.to(torch::kFloat32)).dtype() == torch::kFloat32);
}

TEST_CASE("levels that a path does not have are refused with the option that chose them",
          "[core][error]") {
  BrownianPath path(5, 0, 4);
  for (const auto& [from, to] : {std::pair(1e9, 1.0), std::pair(1.0, 1e-9), std::pair(1.0, 0.0)}) {
    CHECK_THROWS_AS(path.increment(from, to, kLike), ConfigError);
    CHECK_THROWS_WITH(path.increment(from, to, kLike), Contains("sampler: want noise levels in"));
  }
  CHECK_THROWS_AS(path.increment(1.00001, 1, kLike), ConfigError);
  CHECK_THROWS_WITH(path.increment(1.00001, 1, kLike), Contains("sampler.steps"));
}
