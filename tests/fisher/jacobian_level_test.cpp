#include "fisher/jacobian_level.h"

#include "core/random.h"
#include "tests/fisher/gaussian_fields.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

JacobianLevel measure(Denoiser& denoiser, const GaussianMixture& data, double sigma, int64_t count,
                      int64_t probes = 2) {
  auto rng = make_generator(5, "test");
  JacobianLevel level(sigma, probes);
  for (const auto& x0 : data.sample(count, rng).split(count / 2)) {
    level.add(denoiser, x0, torch::randn(x0.sizes(), rng, x0.options()), rng);
  }
  return level;
}

void require_within(const Estimate& estimate, double exact) {
  INFO(estimate.value << " +- " << estimate.standard_error << " against " << exact);
  REQUIRE(std::abs(estimate.value - exact) <= 5 * estimate.standard_error + 1e-10);
}

/// factor D: its Jacobian predicts `factor` times the covariance it should.
class ScaledDenoiser final : public Denoiser {
 public:
  ScaledDenoiser(Denoiser& truth, double factor) : truth_(truth), factor_(factor) {}
  torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor& sigma) override {
    const auto d = truth_.denoise(x, sigma);
    return factor_ * d + (1 - factor_) * d.detach();  // the same D with another Jacobian
  }

 private:
  Denoiser& truth_;
  double factor_;
};

/// D(x) = x W.
class LinearDenoiser final : public Denoiser {
 public:
  explicit LinearDenoiser(const torch::Tensor& weight) : weight_(weight) {}
  torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor&) override {
    return x.matmul(weight_);
  }

 private:
  torch::Tensor weight_;
};

}  // namespace

TEST_CASE("the Jacobian of a true denoiser is symmetric, positive and predicts the error",
          "[fisher][oracle][statistical]") {
  auto data = two_bumps();
  const double sigma = 1.0;
  const auto e = measure(data, data, sigma, 20000).estimates(/*bins=*/8);
  REQUIRE(e.asymmetry.value < 1e-20);
  require_within(e.trace, data.mmse(sigma) / (sigma * sigma));
  require_within(e.tweedie_slope, 1);
  REQUIRE(e.tweedie_slope.standard_error < 0.1);  // so that 5 of them tell 1 from 1/2
  REQUIRE(e.reliability.size() == 8);
  int64_t count = 0;
  for (const auto& bin : e.reliability) {
    count += bin.realised.count;
    const double error = std::hypot(bin.predicted.standard_error, bin.realised.standard_error);
    REQUIRE(std::abs(bin.predicted.value - bin.realised.value) < 5 * error);
  }
  REQUIRE(count == 20000);
  const auto& low = e.reliability.front().realised;
  const auto& high = e.reliability.back().realised;
  REQUIRE(high.value - low.value > 5 * std::hypot(low.standard_error, high.standard_error));

  auto rng = make_generator(6, "test");
  const auto x = noisy(data, 8, sigma, rng);
  const auto exact = torch::linalg_eigvalsh(dense_jacobian(data, x, sigma), "L").min();
  REQUIRE_THAT(smallest_ritz_value(data, x, sigma, 128, rng),
               WithinAbs(exact.item<double>(), 1e-10));
  REQUIRE(smallest_ritz_value(data, x, sigma, 20, rng) >= exact.item<double>() - 1e-12);
}

TEST_CASE("the squared Jacobian of a Gaussian's denoiser is that of the closed form",
          "[fisher][oracle][statistical]") {
  auto rng = make_generator(2, "test");
  auto data = deficient_gaussian(rng);
  const auto wiener = data.variances() / (data.variances() + 0.25);
  const auto e = measure(data, data, 0.5, 4000, /*probes=*/4).estimates(1);
  require_within(e.frobenius, wiener.square().sum().item<double>());
  require_within(e.trace, wiener.sum().item<double>());
  // A is the same everywhere: the error of the trace is that of the probes (Hutchinson 1990).
  const auto a = dense_jacobian(data, torch::zeros({1, 4}, torch::kFloat64), 0.5)[0];
  const double probe_variance = 2 * (a.square().sum() - a.diagonal().square().sum()).item<double>();
  REQUIRE_THAT(e.trace.standard_error, WithinRel(std::sqrt(probe_variance / 4 / 4000), 0.1));
}

TEST_CASE("a rotation added to the score is found as the asymmetry it is",
          "[fisher][oracle][statistical]") {
  auto data = two_bumps();
  const double sigma = 0.7, kappa = 0.5;
  RotatedScore rotated(data, kappa);
  auto rng = make_generator(7, "test");
  const auto a = dense_jacobian(rotated, noisy(data, 20000, sigma, rng), sigma);
  // |K|_F^2 of the antisymmetric part: two entries of sigma^2 kappa.
  const double exact =
      2 * std::pow(sigma * sigma * kappa, 2) / a.square().sum({1, 2}).mean().item<double>();
  const auto e = measure(rotated, data, sigma, 20000).estimates(1);
  require_within(e.asymmetry, exact);
  REQUIRE(e.asymmetry.standard_error < 0.02 * exact);
  REQUIRE_THAT(exact, WithinAbs(0.054, 0.001));
}

TEST_CASE("a denoiser that turns one plane too far has a negative eigenvalue", "[fisher][oracle]") {
  const auto matrix = torch::tensor({{0.5, 0.9}, {0.9, 0.5}}, torch::kFloat64);
  LinearDenoiser linear(matrix);
  auto rng = make_generator(8, "test");
  const auto x = torch::randn({3, 2}, rng, torch::kFloat64);
  REQUIRE_THAT(smallest_ritz_value(linear, x, 1, 6, rng), WithinAbs(-0.4, 1e-10));
}

TEST_CASE("the smallest eigenvalue is that of the Jacobian's symmetric part", "[fisher][oracle]") {
  // A shear, whose symmetric part is a reflection: its square is 1, so that two steps find it.
  LinearDenoiser shear(torch::tensor({{0.0, 0.0}, {2.0, 0.0}}, torch::kFloat64));
  auto rng = make_generator(11, "test");
  const auto x = torch::randn({3, 2}, rng, torch::kFloat64);
  REQUIRE_THAT(smallest_ritz_value(shear, x, 1, 2, rng), WithinAbs(-1, 1e-10));
}

TEST_CASE("a Jacobian twice too large halves the slope, whatever the probes' noise",
          "[fisher][oracle][statistical]") {
  auto data = two_bumps();
  const double sigma = 1.3;
  ScaledDenoiser doubled(data, 2);
  const auto e = measure(doubled, data, sigma, 20000).estimates(1);
  require_within(e.tweedie_slope, 0.5);
  REQUIRE(e.reliability.size() == 1);
  require_within(e.reliability[0].predicted, 2 * data.mmse(sigma));
  require_within(e.reliability[0].realised, data.mmse(sigma));
}

TEST_CASE("the slope of error on prediction is 1 also where the noise level is not 1",
          "[fisher][oracle][statistical]") {
  auto data = two_bumps();
  const auto slope = measure(data, data, 1.5, 100000).estimates(1).tweedie_slope;
  require_within(slope, 1);
  REQUIRE(slope.standard_error < 0.05);
}

TEST_CASE("the trace after a step follows |A|^2 less the trace", "[fisher][oracle]") {
  auto data = two_bumps();
  const auto level = measure(data, data, 0.8, 100);
  const auto e = level.estimates(1);
  REQUIRE_THAT(level.trace_after(0.3).value,
               WithinRel(e.trace.value + 0.3 * (e.frobenius.value - e.trace.value), 1e-12));
}

TEST_CASE("an instrumented slope does not see the error of its regressor",
          "[fisher][oracle][statistical]") {
  auto rng = make_generator(9, "test");
  const auto draw = [&] { return torch::randn({40000}, rng, torch::kFloat64); };
  const auto truth = draw();
  const auto slope = instrumented_slope(truth + draw(), truth + draw(), 0.7 * truth + 0.2 * draw());
  require_within(slope, 0.7);  // least squares on the mean of both would give 0.7 / 1.5
  REQUIRE(slope.standard_error < 0.02);
}

TEST_CASE("the error of an instrumented slope is its spread, wherever the origin is",
          "[fisher][statistical]") {
  auto rng = make_generator(10, "test");
  const auto draw = [&] { return torch::randn({500}, rng, torch::kFloat64); };
  const int runs = 400;
  double sum_z2 = 0;
  for (int run = 0; run < runs; ++run) {
    const auto truth = draw();
    const auto slope = instrumented_slope(truth + 0.5 * draw() + 20, truth + 0.5 * draw() - 30,
                                          0.7 * truth + 0.2 * draw() + 10);
    sum_z2 += std::pow((slope.value - 0.7) / slope.standard_error, 2);
  }
  REQUIRE_THAT(sum_z2 / runs, WithinAbs(1, 5 * std::sqrt(2.0 / runs)));
}
