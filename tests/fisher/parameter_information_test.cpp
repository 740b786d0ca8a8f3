#include "fisher/parameter_information.h"

#include <functional>

#include "fisher/divergence_of_step.h"
#include "fisher/parameter_spectrum.h"
#include "tests/support/catch.h"
#include "tests/support/linear_regression.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

bool within(const Estimate& estimate, double truth, double errors) {
  return std::abs(estimate.value - truth) < errors * estimate.standard_error;
}

torch::Tensor residuals(const LinearRegression& linear, const RegressionBatch& batch) {
  const torch::NoGradGuard no_grad;
  return (whitened(linear.denoiser, batch) - batch.x0 / per_sample(batch.tau, batch.x)).flatten(1);
}

/// The mean standard error of estimate(0), ..., estimate(runs - 1) over their spread.
double error_over_spread(int64_t runs, const std::function<Estimate(int64_t)>& estimate) {
  SampleMoments values(1), errors(1);
  for (int64_t run = 0; run < runs; ++run) {
    const auto found = estimate(run);
    values.add(torch::full({1, 1}, found.value, torch::kFloat64));
    errors.add(torch::full({1, 1}, found.standard_error, torch::kFloat64));
  }
  const double variance = values.co_moment().item<double>() / static_cast<double>(runs - 1);
  return errors.mean(0).value / std::sqrt(variance);
}

}  // namespace

TEST_CASE("sampled targets and products find the trace of the Fisher matrix without bias",
          "[fisher][parameters][oracle]") {
  const LinearRegression linear;
  const ParameterSpace space(*linear.module);
  const auto batch = linear.batch(20);
  const auto truth = LinearRegression::fisher(batch);
  ParameterInformation information(space);
  auto rng = make_generator(5, "targets");
  for (int i = 0; i < 400; ++i) information.add_sampled(linear.denoiser, batch, rng);
  for (int i = 0; i < 400; ++i) information.add_product(linear.denoiser, batch, rng);
  const double trace = truth.trace().item<double>();
  REQUIRE(information.sampled().total().count == 400);
  CHECK(within(information.sampled().total(), trace, 4));
  CHECK(within(information.sampled().block(0), trace, 4));  // weight and bias are one layer
  CHECK(information.sampled().total().standard_error < 0.05 * trace);
  CHECK(within(information.product().total(), trace, 4));
  CHECK(information.product().total().standard_error < 0.05 * trace);
  // Relative errors of diagonal entries are sqrt(2 / 400) = 7 %, and are said to be.
  const auto diagonal = information.diagonal();
  const auto error = diagonal.variance.sqrt();
  CHECK(((diagonal.mean - truth.diag()) / error).abs().max().item<double>() < 4);
  const auto share = error / truth.diag();
  CHECK((share / std::sqrt(2.0 / 400) - 1).abs().max().item<double>() < 0.4);
}

TEST_CASE("the empirical Fisher information is that of the data's gradients, sample by sample",
          "[fisher][parameters][oracle]") {
  const LinearRegression linear;
  const ParameterSpace space(*linear.module);
  const auto batch = linear.batch(40);
  ParameterInformation information(space);
  information.add_empirical(linear.denoiser, batch);
  const auto r = residuals(linear, batch);
  const auto a = LinearRegression::inputs(batch);
  const auto powers = r.square().sum(1) * a.square().sum(1);  // |r a^T|^2
  CHECK_THAT(information.empirical().total().value, WithinRel(powers.mean().item<double>(), 1e-12));

  // |E g|^2 / tr Cov[g] by the two sums over pairs, written out.
  const auto gradients = (r.unsqueeze(2) * a.unsqueeze(1)).flatten(1);
  const auto products = gradients.matmul(gradients.t());
  const double n = 40, diagonal = products.trace().item<double>();
  const double signal = (products.sum().item<double>() - diagonal) / (n * (n - 1));
  const auto snr = information.signal_to_noise();
  CHECK_THAT(snr.value, WithinRel(signal / (diagonal / n - signal), 1e-10));
  CHECK(snr.standard_error > 0);
}

TEST_CASE("the jackknife error of the gradient's signal to noise is its spread",
          "[fisher][parameters][oracle]") {
  const LinearRegression linear;
  const ParameterSpace space(*linear.module);
  const double ratio = error_over_spread(200, [&](int64_t run) {
    ParameterInformation information(space);
    information.add_empirical(linear.denoiser, linear.batch(64, run));
    return information.signal_to_noise();
  });
  CHECK_THAT(ratio, WithinAbs(1, 0.25));
}

TEST_CASE("the spectrum of a linear denoiser's Fisher matrix is that of its inputs, d times",
          "[fisher][parameters][oracle]") {
  const LinearRegression linear;
  const ParameterSpace space(*linear.module);
  const auto batch = linear.batch(50);
  const auto exact = std::get<0>(torch::linalg_eigh(LinearRegression::fisher(batch), "L")).flip(0);
  auto rng = make_generator(6, "lanczos");
  const auto spectrum = parameter_spectrum(linear.denoiser, space, batch,
                                           {.top = 4, .steps = 12, .probes = 200}, rng);
  CHECK(spectrum.parameters == 12);
  CHECK(spectrum.rank_bound == 12);
  // Each value shows once: a Krylov space sees one direction of an eigenspace.
  for (int64_t i = 0; i < 4; ++i) {
    CHECK_THAT(spectrum.leading[static_cast<size_t>(i)].value,
               WithinRel(exact[3 * i].item<double>(), 1e-9));
    CHECK(spectrum.residuals[static_cast<size_t>(i)] < 1e-9);
  }
  const auto trace = spectrum.trace([](double value) { return value; });
  CHECK(within(trace, exact.sum().item<double>(), 4));
  const double ridge = 0.7;
  CHECK(within(spectrum.effective_parameters(ridge), (exact / (exact + ridge)).sum().item<double>(),
               4));
  // Each of the 12 eigenvalues is a normal density of its logarithm.
  const auto z = (exact.log10() - std::log10(2.0)) / 0.3;
  const auto density = (-z * z / 2).exp().sum().item<double>() / (0.3 * std::sqrt(2 * M_PI));
  CHECK(within(spectrum.density(2, 0.3), density, 4));
  CHECK(spectrum.density(2, 0.3).standard_error < 0.1 * density);
  const double ratio = exact.sum().square().item<double>() / exact.square().sum().item<double>();
  CHECK(within(spectrum.participation_ratio(), ratio, 4));
  CHECK(spectrum.participation_ratio().standard_error < 0.1 * ratio);
}

TEST_CASE("the error of the participation ratio is its spread", "[fisher][parameters][oracle]") {
  const LinearRegression linear;
  const ParameterSpace space(*linear.module);
  const auto batch = linear.batch(20);
  const double ratio = error_over_spread(60, [&](int64_t run) {
    auto rng = make_generator(8, "probes", run);
    return parameter_spectrum(linear.denoiser, space, batch, {.top = 1, .steps = 5, .probes = 30},
                              rng)
        .participation_ratio();
  });
  CHECK_THAT(ratio, WithinAbs(1, 0.35));
}

TEST_CASE("the errors of leading eigenvalues are those of the curvature over samples",
          "[fisher][parameters][oracle]") {
  const LinearRegression linear;
  const ParameterSpace space(*linear.module);
  const auto batch = linear.batch(30);
  auto rng = make_generator(6, "lanczos");
  const auto spectrum =
      parameter_spectrum(linear.denoiser, space, batch, {.top = 1, .steps = 12, .probes = 1}, rng);
  const auto u = spectrum.vectors[0];
  auto values = torch::zeros({30}, torch::kFloat64);
  for (int64_t n = 0; n < 30; ++n) {
    values[n] = LinearRegression::jacobian(batch, n).mv(u).square().sum();
  }
  CHECK_THAT(spectrum.leading[0].standard_error,
             WithinRel(values.std(/*unbiased=*/true).item<double>() / std::sqrt(30.0), 1e-9));
}

TEST_CASE("a step of a linear denoiser takes it as far as its Fisher matrix foretells",
          "[fisher][parameters][oracle]") {
  const LinearRegression linear;
  const ParameterSpace space(*linear.module);
  const auto batch = linear.batch(30);
  auto rng = make_generator(7, "direction");
  const auto u = torch::randn({space.dim()}, rng, torch::kFloat64);
  const auto found = step_divergence(linear.denoiser, space, batch, u, {0.01, 0.1, 1});
  const double curvature = u.dot(LinearRegression::fisher(batch).mv(u)).item<double>();
  for (size_t i = 0; i < 3; ++i) {
    const double h = found.radii[i];
    CHECK_THAT(found.measured[i].value, WithinRel(0.5 * h * h * curvature, 1e-9));
    CHECK_THAT(found.foretold[i].value, WithinRel(0.5 * h * h * curvature, 1e-9));
    CHECK_THAT(found.ratio[i].value, WithinRel(1.0, 1e-9));
  }
  CHECK_THAT(found.slope.value, WithinAbs(2, 1e-9));
}
