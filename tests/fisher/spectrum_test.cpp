#include "fisher/spectrum.h"

#include "core/random.h"
#include "tests/fisher/gaussian_fields.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

double largest(const torch::Tensor& t) { return t.abs().max().item<double>(); }

/// lambda / (lambda + sigma^2), decreasing.
torch::Tensor exact_spectrum(const GaussianMixture& data, double sigma) {
  const auto wiener = data.variances() / (data.variances() + sigma * sigma);
  return std::get<0>(wiener.sort(0, /*descending=*/true));
}

DenoiserSpectrum measure(GaussianMixture& data, int64_t images, double sigma,
                         const SpectrumOptions& options) {
  auto rng = make_generator(1, "test");
  return denoiser_spectrum(data, noisy(data, images, sigma, rng), sigma, options, rng);
}

}  // namespace

TEST_CASE("the spectrum of a Gaussian's denoiser is lambda over lambda plus sigma^2",
          "[fisher][oracle]") {
  const double sigma = GENERATE(0.05, 0.5, 2.0);
  const bool keep_graphs = GENERATE(true, false);
  auto rng = make_generator(2, "test");
  auto deficient = deficient_gaussian(rng);
  auto low_rank = low_rank_field();
  auto stationary = stationary_field();
  for (auto* data : {&deficient, &low_rank, &stationary}) {
    const auto d = data->dim();
    const auto found =
        measure(*data, 3, sigma, {.top = d, .steps = d, .batch = 2, .keep_graphs = keep_graphs});
    const auto exact = exact_spectrum(*data, sigma);
    REQUIRE(largest(found.eigenvalues - exact) < 1e-10);
    REQUIRE(largest(found.eigenvalue_errors) < 1e-10);  // every sample has the same Jacobian
    REQUIRE(largest(found.ritz_residuals) < 1e-10);
    REQUIRE_THAT(found.trace.value, WithinAbs(data->mmse(sigma) / (sigma * sigma), 1e-9));
  }
}

TEST_CASE("a few Lanczos steps find the rank, the eigen-images and the trace of a field",
          "[fisher][oracle]") {
  auto data = low_rank_field();
  const double sigma = 0.5;
  const auto found = measure(data, 2, sigma, {.top = 6, .steps = 12});
  REQUIRE(largest(found.eigenvalues - exact_spectrum(data, sigma).narrow(0, 0, 6)) < 1e-10);
  const auto constant = torch::full({64}, 1.0 / 8, torch::kFloat64);
  REQUIRE(largest(found.eigen_images[0] - constant) < 1e-9);
  REQUIRE_THAT(found.trace.value, WithinAbs(4.166968, 1e-6));
  REQUIRE(std::abs(found.smallest) < 1e-10);
}

TEST_CASE("the effective rank of a Gaussian's score covariance is that of the closed form",
          "[fisher][oracle]") {
  auto rng = make_generator(2, "test");
  auto data = deficient_gaussian(rng);
  REQUIRE_THAT(measure(data, 2, 0.2, {.steps = 4}).score_effective_rank, WithinAbs(1.72516, 1e-5));
  REQUIRE_THAT(measure(data, 2, 1.0, {.steps = 4}).score_effective_rank, WithinAbs(3.50812, 1e-5));
  // What few steps leave out counts as flat: an upper bound, closer with every step.
  auto field = stationary_field();
  const auto score = 1 - exact_spectrum(field, 0.2);
  const auto found = [&](int64_t steps) {
    return measure(field, 2, 0.2, {.steps = steps}).score_effective_rank;
  };
  REQUIRE_THAT(found(256), WithinRel(effective_rank(score), 1e-9));
  REQUIRE(found(120) > effective_rank(score));
  REQUIRE(found(40) > found(120));
  REQUIRE(found(40) < 256);
  REQUIRE_THAT(effective_rank(torch::tensor({2.0, 2.0, 0.0, -1e-9})), WithinAbs(2, 1e-12));
}

TEST_CASE("the leading eigenvalue of a mixture is its mmse between the modes",
          "[fisher][oracle][statistical]") {
  auto data = two_bumps();
  const double sigma = 1.0;
  const int64_t images = 20000;
  auto rng = make_generator(3, "test");
  const auto x = noisy(data, images, sigma, rng);
  const auto found = denoiser_spectrum(data, x, sigma, {.top = 2, .steps = 4, .batch = 5000}, rng);
  // Across the modes 1 - sigma^2 J of one dimension; along the others v / (v + sigma^2).
  const double exact = 1 - (data.fisher_information(sigma) - 15 / 1.25);
  const double error = found.eigenvalue_errors[0].item<double>();
  REQUIRE(std::abs(found.eigenvalues[0].item<double>() - exact) < 5 * error);
  REQUIRE_THAT(found.eigenvalues[1].item<double>(), WithinAbs(0.2, 1e-10));
  const auto u = torch::full({16}, 0.25, torch::kFloat64);
  REQUIRE(largest(found.eigen_images[0] - u) < 1e-9);
  // The error is that of the mean of u^T A u over the images.
  const auto few = x.narrow(0, 0, 1000);
  const auto of_few = denoiser_spectrum(data, few, sigma, {.top = 1, .steps = 4}, rng);
  const auto sample = dense_jacobian(data, few, sigma).matmul(u).matmul(u);
  REQUIRE_THAT(of_few.eigenvalue_errors[0].item<double>() * std::sqrt(1000.0),
               WithinRel(sample.std().item<double>(), 1e-8));
  REQUIRE_THAT(of_few.smallest, WithinAbs(0.2, 1e-10));
}

TEST_CASE("at one noisy image the spectrum is that of the posterior covariance",
          "[fisher][oracle]") {
  auto data = two_bumps();
  auto rng = make_generator(4, "test");
  const auto x = noisy(data, 1, 1.5, rng);
  const auto found = denoiser_spectrum(data, x, 1.5, {.top = 16, .steps = 16}, rng);
  const auto exact = std::get<0>(torch::linalg_eigh(dense_jacobian(data, x, 1.5)[0], "L")).flip(0);
  REQUIRE(largest(found.eigenvalues - exact) < 1e-10);
  REQUIRE(found.eigenvalue_errors.isnan().all().item<bool>());
}

TEST_CASE("the trace beyond the Lanczos vectors is that of the rest of the spectrum",
          "[fisher][oracle][statistical]") {
  auto data = stationary_field();
  const double sigma = 0.5;
  const auto found = measure(data, 200, sigma, {.top = 6, .steps = 2, .batch = 64});
  REQUIRE(found.eigenvalues.size(0) == 6);  // not fewer, for want of steps
  const double exact = data.mmse(sigma) / (sigma * sigma);
  const double within = found.eigenvalues.sum().item<double>();
  INFO(found.trace.value << " +- " << found.trace.standard_error << " against " << exact);
  REQUIRE(exact - within > 50 * found.trace.standard_error);
  REQUIRE(std::abs(found.trace.value - exact) < 5 * found.trace.standard_error);
}

TEST_CASE("the largest entry of an eigen-image is positive", "[fisher][property]") {
  auto rng = make_generator(2, "test");
  auto data = deficient_gaussian(rng);
  const auto images = measure(data, 2, 0.5, {.top = 4, .steps = 4}).eigen_images;
  const auto highest = std::get<0>(images.max(1)), lowest = std::get<0>(images.min(1));
  REQUIRE((highest > -lowest).all().item<bool>());
  REQUIRE(lowest.min().item<double>() < -0.1);  // there are others
}
