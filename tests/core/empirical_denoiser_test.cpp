#include "core/empirical_denoiser.h"

#include "core/gaussian_mixture.h"
#include "core/random.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const auto kDouble = torch::kFloat64;

torch::Tensor random_images(int64_t count, torch::IntArrayRef shape = {1, 4, 4}) {
  auto rng = make_generator(1, "test");
  std::vector<int64_t> sizes = {count};
  sizes.insert(sizes.end(), shape.begin(), shape.end());
  return torch::rand(sizes, rng) * 2 - 1;
}

struct Reference {
  torch::Tensor denoised;     // [B, d]
  torch::Tensor covariance;   // [B, d, d]: Cov[x_0 | x]
  torch::Tensor log_density;  // [B]
};

/// The definition in float64, from the differences x - x_i themselves.
Reference reference(const torch::Tensor& images, const torch::Tensor& x, double sigma) {
  const auto points = images.flatten(1).to(kDouble);
  const auto y = x.flatten(1).to(kDouble);
  const double variance = sigma * sigma;
  const auto exponent = -(y.unsqueeze(1) - points).square().sum(2) / (2 * variance);
  const auto weights = exponent.softmax(1);
  const auto mean = weights.matmul(points);
  const auto offset = points - mean.unsqueeze(1);  // [B, N, d]
  const auto d = static_cast<double>(points.size(1));
  const auto n = static_cast<double>(points.size(0));
  return {mean, torch::einsum("bn,bni,bnj->bij", {weights, offset, offset}),
          exponent.logsumexp(1) - std::log(n) - d / 2 * std::log(2 * M_PI * variance)};
}

torch::Tensor noisy(const torch::Tensor& images, double sigma, torch::ScalarType type) {
  auto rng = make_generator(2, "test", static_cast<int64_t>(1e4 * sigma));
  const auto x0 = images.to(type);
  return x0 + sigma * torch::randn(x0.sizes(), rng, x0.options());
}

torch::Tensor level(const torch::Tensor& x, double sigma) {
  return torch::full({x.size(0)}, sigma, x.options());
}

}  // namespace

TEST_CASE("the denoiser of a set of images is the softmax-weighted mean of them",
          "[core][oracle]") {
  const double sigma = GENERATE(0.01, 0.1, 0.5, 2.0, 30.0);
  const auto images = random_images(300);  // more rows than are weighed at once
  EmpiricalDenoiser denoiser(images);
  REQUIRE(denoiser.size() == 300);
  REQUIRE(denoiser.dim() == 16);
  const auto x = noisy(images, sigma, kDouble);
  const auto exact = reference(images, x, sigma);
  const auto denoised = denoiser.denoise(x, level(x, sigma));
  INFO("sigma " << sigma);
  REQUIRE(denoised.sizes() == x.sizes());
  REQUIRE(torch::allclose(denoised.flatten(1), exact.denoised, 1e-10, 1e-10));
  REQUIRE(torch::allclose(denoiser.log_density(x, level(x, sigma)), exact.log_density, 1e-10));

  const auto single = x.to(torch::kFloat32);
  const auto same = reference(images, single, sigma);
  const auto rough = denoiser.denoise(single, level(single, sigma));
  REQUIRE(rough.scalar_type() == torch::kFloat32);
  REQUIRE(torch::allclose(rough.flatten(1).to(kDouble), same.denoised, 1e-4, 1e-4));
  REQUIRE(torch::allclose(denoiser.log_density(single, level(single, sigma)), same.log_density,
                          1e-4, 1e-4));
}

TEST_CASE("each row of a batch has a noise level of its own", "[core]") {
  const auto images = random_images(20);
  EmpiricalDenoiser denoiser(images);
  const auto x = noisy(images, 0.5, torch::kFloat32);
  const auto sigma = torch::logspace(-2, 1, 20);
  const auto together = denoiser.denoise(x, sigma);
  for (int64_t i = 0; i < 20; ++i) {
    const auto alone = denoiser.denoise(x.narrow(0, i, 1), sigma.narrow(0, i, 1));
    REQUIRE(torch::allclose(together.narrow(0, i, 1), alone, 1e-4, 1e-5));
  }
}

TEST_CASE("near-duplicate images at small noise are told apart as in float64", "[core][oracle]") {
  // Norms of 28, distances of 0.03 and less: |x|^2 / (2 sigma^2) is 4e6 and a float32 keeps 7
  // digits.
  auto rng = make_generator(3, "test");
  const auto prototype = torch::randn({1, 784}, rng);
  const auto images = prototype + 1e-3 * torch::randn({50, 784}, rng);
  const double sigma = GENERATE(0.002, 0.01, 0.05);
  EmpiricalDenoiser denoiser(images);
  const auto x = noisy(images, sigma, torch::kFloat32);
  const auto exact = reference(images, x, sigma).denoised;
  const auto denoised = denoiser.denoise(x, level(x, sigma)).to(kDouble);
  // Of the spread of the candidates, since all of them are near the prototype.
  const auto error = (denoised - exact).abs().max() / (exact - prototype.to(kDouble)).abs().max();
  REQUIRE(error.item<double>() < 2e-4);  // float32 of the answer itself: 3e-7 / 3e-3
}

TEST_CASE("without noise to speak of the nearest image comes back to the last bit", "[core]") {
  const auto images = random_images(200, {3, 8, 8});
  EmpiricalDenoiser denoiser(images);
  const auto x = noisy(images, 0.01, torch::kFloat32);
  REQUIRE(torch::equal(denoiser.denoise(x, level(x, 0.01)), images));
}

TEST_CASE("a Gaussian mixture without variance is the same denoiser", "[core][oracle]") {
  const auto images = random_images(7);
  EmpiricalDenoiser denoiser(images);
  GaussianMixture points(torch::full({7}, 1.0 / 7, kDouble), images.flatten(1), torch::zeros({16}));
  const auto x = noisy(images, 0.7, kDouble);
  const auto sigma = level(x, 0.7);
  REQUIRE(torch::allclose(denoiser.denoise(x, sigma), points.denoise(x, sigma), 1e-10, 1e-12));
  REQUIRE(torch::allclose(denoiser.log_density(x, sigma), points.log_density(x, sigma), 1e-10));
}

TEST_CASE("the score of a set of images is the gradient of its log density", "[core][oracle]") {
  const auto images = random_images(30);
  EmpiricalDenoiser denoiser(images);
  const double sigma = GENERATE(0.3, 2.0);
  const auto x = noisy(images, sigma, kDouble).requires_grad_(true);
  const auto gradient =
      torch::autograd::grad({denoiser.log_density(x, level(x, sigma)).sum()}, {x})[0];
  REQUIRE(torch::allclose(score(denoiser, x, level(x, sigma)), gradient, 1e-9, 1e-9));
}

TEST_CASE("the Jacobian of the denoiser is the posterior covariance over sigma^2",
          "[core][oracle]") {
  const auto images = random_images(40);
  EmpiricalDenoiser denoiser(images);
  const double sigma = GENERATE(0.3, 0.8, 3.0);
  const auto type = GENERATE(torch::kFloat64, torch::kFloat32);
  auto rng = make_generator(4, "test");
  const auto x = noisy(images, sigma, type).requires_grad_(true);
  const auto v = torch::randn(x.sizes(), rng, x.options().requires_grad(false));
  const auto denoised = denoiser.denoise(x, level(x.detach(), sigma));
  const auto product =
      torch::autograd::grad({denoised}, {x}, {v}, /*retain_graph=*/true, /*create_graph=*/true)[0];
  const auto covariance = reference(images, x.detach(), sigma).covariance;
  const auto exact =
      torch::einsum("bij,bj->bi", {covariance, v.flatten(1).to(kDouble)}) / (sigma * sigma);
  const double tolerance = type == torch::kFloat64 ? 1e-9 : 2e-4;
  REQUIRE(torch::allclose(product.flatten(1).to(kDouble), exact, tolerance, tolerance));

  // Once more: v^T A v has a gradient, here against a central difference of A itself.
  if (type == torch::kFloat32) return;
  const auto u = torch::randn(x.sizes(), rng, v.options());
  const auto second = torch::autograd::grad({(product * v).sum()}, {x})[0];
  const double h = 1e-5;
  const auto quadratic = [&](double step) {
    const auto c = reference(images, x.detach() + step * u, sigma).covariance;
    return torch::einsum("bi,bij,bj->b", {v.flatten(1), c, v.flatten(1)}) / (sigma * sigma);
  };
  const auto slope = (quadratic(h) - quadratic(-h)) / (2 * h);
  REQUIRE(torch::allclose((second * u).flatten(1).sum(1), slope, 1e-5, 1e-6));
}

TEST_CASE("a sample that is not a number stays so and spoils no other", "[core]") {
  const auto images = random_images(20);
  EmpiricalDenoiser denoiser(images);
  const double sigma = GENERATE(0.05, 5.0);
  auto x = noisy(images, sigma, torch::kFloat32);
  const auto whole = denoiser.denoise(x, level(x, sigma));
  x[3].fill_(std::nan(""));
  const auto denoised = denoiser.denoise(x, level(x, sigma));
  REQUIRE(denoised[3].isnan().all().item<bool>());
  REQUIRE(torch::allclose(denoised.narrow(0, 4, 16), whole.narrow(0, 4, 16), 1e-4, 1e-5));
}

TEST_CASE("an empirical denoiser wants images", "[core][error]") {
  REQUIRE_THROWS(EmpiricalDenoiser(torch::zeros({0, 4})));
  REQUIRE_THROWS(EmpiricalDenoiser(torch::zeros({4})));
}
