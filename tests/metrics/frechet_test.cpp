#include "metrics/frechet.h"

#include "core/torch.h"
#include "tests/metrics/coverage.h"
#include "tests/support/catch.h"
#include "tests/support/golden.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

double distance(const torch::Tensor& a, const torch::Tensor& b) {
  return frechet_distance(gaussian_statistics(a), gaussian_statistics(b));
}

/// N(0, I), exactly.
FrechetSet standard_normal(int64_t dim) {
  return {{torch::zeros({dim}, torch::kFloat64), torch::eye(dim, torch::kFloat64), 0}, {}};
}

constexpr int64_t kRepetitions = 200;

}  // namespace

TEST_CASE("the Frechet distance is that of other programs", "[metrics][golden]") {
  const auto golden =
      load_golden(std::string(HALCYON_GOLDEN_DIR) + "/metrics/frechet_kid.safetensors");
  CHECK_THAT(distance(golden.at("a"), golden.at("b")),
             WithinRel(golden.at("frechet").item().toDouble(), 1e-10));
}

TEST_CASE("the Frechet distance of Gaussians has its closed forms", "[metrics][oracle]") {
  const auto scale = torch::tensor({1.0, 2.0, 0.5}, torch::kFloat64);
  const GaussianStatistics a = {torch::zeros({3}, torch::kFloat64), torch::eye(3, torch::kFloat64)};
  const GaussianStatistics b = {torch::ones({3}, torch::kFloat64), torch::diag(scale.square())};
  // 3 of the means, (1 - s)^2 of each axis.
  CHECK_THAT(frechet_distance(a, b), WithinRel(3 + 1 + 0.25, 1e-12));
  CHECK_THAT(frechet_distance(b, a), WithinRel(3 + 1 + 0.25, 1e-12));

  // In two dimensions tr (A B)^(1/2) = sqrt(tr A B + 2 sqrt(det A det B)): covariances that do not
  // commute.
  const auto x = torch::tensor({{2.0, 0.9}, {0.9, 1.0}}, torch::kFloat64);
  const auto y = torch::tensor({{0.5, -0.4}, {-0.4, 3.0}}, torch::kFloat64);
  const auto zero = torch::zeros({2}, torch::kFloat64);
  const double root =
      std::sqrt(x.mm(y).trace().item<double>() + 2 * std::sqrt((2 - 0.81) * (1.5 - 0.16)));
  CHECK_THAT(frechet_distance({zero, x}, {zero, y}), WithinRel(3 + 3.5 - 2 * root, 1e-12));
}

TEST_CASE("the Frechet distance of singular covariances is finite and right", "[metrics][oracle]") {
  // 20 points in 64 dimensions against their shift: only the means differ.
  const auto a = normal({20, 64}, 1);
  const auto shift = normal({1, 64}, 2);
  CHECK_THAT(distance(a, a + shift), WithinRel(shift.square().sum().item<double>(), 1e-6));
  CHECK_THAT(distance(a, a),
             WithinAbs(0, 1e-5));  // roots of eigenvalues that are 0 but for rounding
  CHECK_THAT(distance(a, 3 * a),
             WithinRel((2 * a.mean(0)).square().sum().item<double>() +
                           4 * gaussian_statistics(a).covariance.trace().item<double>(),
                       1e-6));
}

TEST_CASE("the Frechet distance of N samples is too large by its leading bias",
          "[metrics][oracle][statistical]") {
  // For s n, n of F standard normals, against N(0, I): the mean adds s^2 F / N, and the square
  // root, by its second derivative and the variance of a Wishart matrix, s F (F + 1) / (4 (N - 1)).
  constexpr int64_t n = 400, f = 8;
  constexpr double s = 1.5;
  const double truth = f * (s - 1) * (s - 1);
  const double bias = s * s * f / n + s * f * (f + 1) / (4.0 * (n - 1));
  const auto reference = standard_normal(f);
  const auto of_n = coverage(kRepetitions, truth, [&](uint64_t seed) -> MetricEstimate {
    return {frechet_distance(gaussian_statistics(s * normal({n, f}, seed)), reference.statistics),
            1};
  });
  CHECK_THAT(of_n.mean - truth, WithinAbs(bias, 4 * of_n.error_of_mean(kRepetitions)));
  CHECK(of_n.error_of_mean(kRepetitions) < bias / 5);  // so that the line above says something
}

TEST_CASE("the jackknife's error of the Frechet distance covers", "[metrics][statistical]") {
  constexpr int64_t n = 400, m = 300, f = 4;
  const bool equal = GENERATE(false, true);
  const double scale = equal ? 1 : 1.5;
  const auto of_both = coverage(kRepetitions, 0, [&](uint64_t seed) {
    const auto a = scale * normal({n, f}, seed), b = normal({m, f}, seed + 5000);
    return frechet_estimate(a, frechet_set(b), 20, make_generator(seed, "groups"));
  });
  INFO("ratio " << of_both.ratio);
  CHECK(of_both.ratio > 1 - kRatioTolerance);
  CHECK(of_both.ratio < (equal ? std::sqrt(2) : 1) + kRatioTolerance);
}

TEST_CASE("the extrapolated Frechet distance has no leading bias and an honest error",
          "[metrics][oracle][statistical]") {
  constexpr int64_t n = 500, f = 4;
  const double scale = GENERATE(1.0, 1.5);
  const double truth = f * (scale - 1) * (scale - 1);
  const auto reference = standard_normal(f);
  const auto limit = coverage(kRepetitions, truth, [&](uint64_t seed) {
    const auto x = scale * normal({n, f}, seed);
    const auto finite = frechet_estimate(x, reference, 20, make_generator(seed, "groups"));
    return frechet_infinity(x, reference, finite.standard_error, make_generator(seed, "parts"));
  });
  INFO("mean " << limit.mean << " of " << truth << ", ratio " << limit.ratio << ", covered "
               << limit.share);
  CHECK_THAT(limit.mean, WithinAbs(truth, 4 * limit.error_of_mean(kRepetitions)));
  CHECK(limit.ratio > 1 - kRatioTolerance);
  // of equal laws the jackknife has what the residuals of the fit add
  CHECK(limit.ratio < (scale == 1 ? std::sqrt(2) : 1) + kRatioTolerance);
  CHECK(limit.share > 0.88);
}
