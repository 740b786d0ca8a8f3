#include "metrics/kernel_distance.h"

#include "core/torch.h"
#include "tests/metrics/coverage.h"
#include "tests/support/catch.h"
#include "tests/support/golden.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

constexpr int64_t kRepetitions = 200;

/// By its definition, pair by pair.
double by_pairs(const torch::Tensor& a, const torch::Tensor& b) {
  const auto mean = [](const torch::Tensor& x, const torch::Tensor& y, bool others) {
    double sum = 0;
    for (int64_t i = 0; i < x.size(0); ++i) {
      for (int64_t j = 0; j < y.size(0); ++j) {
        if (others && i == j) continue;
        sum += std::pow((x[i] * y[j]).mean().item<double>() + 1, 3);
      }
    }
    return sum / static_cast<double>(x.size(0) * (others ? y.size(0) - 1 : y.size(0)));
  };
  return mean(a, a, true) + mean(b, b, true) - 2 * mean(a, b, false);
}

}  // namespace

TEST_CASE("the kernel distance is that of other programs", "[metrics][golden]") {
  const auto golden =
      load_golden(std::string(HALCYON_GOLDEN_DIR) + "/metrics/frechet_kid.safetensors");
  CHECK_THAT(kernel_distance(golden.at("a"), golden.at("b")).value,
             WithinRel(golden.at("kid").item().toDouble(), 1e-10));
}

TEST_CASE("the kernel distance and its jackknife are those of their definitions",
          "[metrics][oracle]") {
  const auto a = normal({7, 3}, 1), b = 0.5 + normal({5, 3}, 2);
  const auto found = kernel_distance(a, b);
  CHECK_THAT(found.value, WithinRel(by_pairs(a, b), 1e-12));
  const auto without = [](const torch::Tensor& x, int64_t i) {
    return torch::cat({x.slice(0, 0, i), x.slice(0, i + 1)});
  };
  std::vector<double> of_a, of_b;
  for (int64_t i = 0; i < 7; ++i) of_a.push_back(by_pairs(without(a, i), b));
  for (int64_t i = 0; i < 5; ++i) of_b.push_back(by_pairs(a, without(b, i)));
  CHECK_THAT(found.standard_error,
             WithinRel(std::hypot(jackknife_error(of_a), jackknife_error(of_b)), 1e-10));
}

TEST_CASE("the kernel distance goes over blocks", "[metrics][oracle]") {
  // Copies of few points: the mean over pairs follows from their counts.
  const auto points = normal({3, 2}, 4), other = normal({2, 2}, 5);
  const auto k = [](const torch::Tensor& x, const torch::Tensor& y) {
    return (x.mm(y.t()) / 2 + 1).pow(3);
  };
  constexpr double n = 4500, m = 2400;
  const auto own = [&](const torch::Tensor& x, double copies, double count) {
    const auto all = copies * copies * k(x, x).sum() - copies * k(x, x).diagonal().sum();
    return all.item<double>() / (count * (count - 1));
  };
  const double wanted =
      own(points, n / 3, n) + own(other, m / 2, m) - 2 * k(points, other).mean().item<double>();
  CHECK_THAT(kernel_distance(points.repeat({1500, 1}), other.repeat({1200, 1})).value,
             WithinRel(wanted, 1e-9));
}

TEST_CASE("the kernel distance is unbiased and its error covers",
          "[metrics][oracle][statistical]") {
  constexpr int64_t n = 150, m = 100, f = 4;
  // E k(x, y) of x ~ N(m, I), y ~ N(m', I): with t = x . y / F, E (1 + t)^3 by the moments of x.
  // For equal laws the distance is 0.
  const auto equal = coverage(kRepetitions, 0, [&](uint64_t seed) {
    return kernel_distance(normal({n, f}, seed), normal({m, f}, seed + 5000));
  });
  INFO("ratio of equal laws " << equal.ratio);
  CHECK_THAT(equal.mean, WithinAbs(0, 4 * equal.error_of_mean(kRepetitions)));
  CHECK(equal.ratio > 1 - kRatioTolerance);
  CHECK(equal.ratio < std::sqrt(2) + kRatioTolerance);

  // Against the point c = (1, ..., 1): E k(x, x') + 8 - 2 E k(x, c); E t^2 = 1 / F, E t = E t^3 = 0
  // for both, so 2 (1 + 3 / F) of the first and the last, and k(c, c) = 8: 7 - 3 / F.
  const auto point = coverage(kRepetitions, 7 - 3.0 / f, [&](uint64_t seed) {
    return kernel_distance(normal({n, f}, seed), torch::ones({m, f}, torch::kFloat64));
  });
  INFO("mean " << point.mean << ", ratio " << point.ratio << ", covered " << point.share);
  CHECK_THAT(point.mean, WithinAbs(7 - 3.0 / f, 4 * point.error_of_mean(kRepetitions)));
  CHECK(point.ratio > 1 - kRatioTolerance);
  CHECK(point.ratio < 1 + kRatioTolerance);
  CHECK(point.share > 0.88);
}

TEST_CASE("the kernel distance over subsets of all is that of all", "[metrics][oracle]") {
  const auto a = normal({40, 3}, 1), b = 0.5 + normal({40, 3}, 2);
  const auto all = kernel_distance_of_subsets(a, b, 3, 40, make_generator(1, "subsets"));
  CHECK_THAT(all.mean, WithinRel(kernel_distance(a, b).value, 1e-10));
  CHECK_THAT(all.deviation, WithinAbs(0, 1e-10));
  CHECK(kernel_distance_of_subsets(a, b, 5, 20, make_generator(1, "subsets")).deviation > 0.01);
}
