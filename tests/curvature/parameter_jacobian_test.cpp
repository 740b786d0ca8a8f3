#include "curvature/parameter_jacobian.h"

#include <torch/nn.h>

#include "core/preconditioning.h"
#include "tests/support/catch.h"
#include "tests/support/linear_regression.h"
#include "tests/support/relative_error.h"
#include "tests/support/small_networks.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

torch::Tensor random_vector(int64_t count, int64_t index) {
  auto rng = make_generator(9, "vector", index);
  return torch::randn({count}, rng, torch::kFloat64);
}

}  // namespace

TEST_CASE("the parameters of a module are one vector and come back from it", "[curvature]") {
  torch::nn::Sequential module(torch::nn::Linear(2, 3), torch::nn::SiLU(), torch::nn::Linear(3, 1));
  const ParameterSpace space(*module);
  REQUIRE(space.dim() == 6 + 3 + 3 + 1);
  const auto layers = space.layers();
  REQUIRE(layers.size() == 2);
  CHECK(layers[1].name == "2");
  CHECK(layers[1].begin == 9);
  CHECK(layers[1].count == 4);
  const auto vector = torch::arange(13, torch::kFloat32);
  CHECK(torch::equal(space.flat(space.shaped(vector)), vector));
  CHECK(torch::equal(space.flat({torch::Tensor(), torch::ones({3}), {}, {}}).nonzero().flatten(),
                     torch::arange(6, 9)));
}

TEST_CASE("a step of the parameters lasts as long as it lives", "[curvature]") {
  torch::nn::Linear module(2, 1);
  const ParameterSpace space(*module);
  const auto before = module->weight.detach().clone();
  {
    const ScopedStep step(space, torch::tensor({1.0F, 2.0F, 3.0F}));
    CHECK(torch::equal(module->weight.detach(), before + torch::tensor({{1.0F, 2.0F}})));
  }
  CHECK(torch::equal(module->weight.detach(), before));
}

TEST_CASE("products with the Jacobian and the Fisher matrix of a linear denoiser are exact",
          "[curvature][oracle]") {
  const LinearRegression linear;
  const ParameterSpace space(*linear.module);
  const auto batch = linear.batch(5);
  const ParameterJacobian jacobian(linear.denoiser, space, batch);
  const auto v = random_vector(space.dim(), 0);
  const auto u = random_vector(15, 1).view({5, 1, 1, 3});
  const auto along = jacobian.jvp(v).flatten(1);
  auto back = torch::zeros({space.dim()}, torch::kFloat64);
  for (int64_t n = 0; n < 5; ++n) {
    const auto rows = LinearRegression::jacobian(batch, n);
    CHECK(relative_error(along[n], rows.mv(v)) < 1e-12);
    back += rows.t().mv(u[n].flatten());
  }
  CHECK(relative_error(jacobian.vjp(u), back) < 1e-12);
  const auto product = jacobian.fisher_product(v);
  CHECK(relative_error(product, LinearRegression::fisher(batch).mv(v)) < 1e-12);
}

TEST_CASE("products with a U-Net's Jacobian are its finite differences in float64",
          "[curvature][oracle]") {
  const auto network = small_network("unet");
  const auto preconditioning = make_preconditioning({.name = "edm", .sigma_data = 0.5});
  PreconditionedDenoiser denoiser(*network, *preconditioning);
  const auto shape = small_shape();
  auto rng = make_generator(2, "images");
  const auto x0 =
      torch::randn({2, shape.channels, shape.height, shape.width}, rng, torch::kFloat64);
  const auto sigma = torch::tensor({0.3, 2.0}, torch::kFloat64);
  const auto x = x0 + per_sample(sigma, x0) * torch::randn(x0.sizes(), rng, torch::kFloat64);
  const RegressionBatch batch = {x0, x, sigma, sigma};

  const ParameterSpace space(*network);
  const ParameterJacobian jacobian(denoiser, space, batch);
  const auto v = random_vector(space.dim(), 3) / std::sqrt(static_cast<double>(space.dim()));
  const auto along = jacobian.jvp(v);
  const double h = 1e-5;
  const auto at = [&](double step) {
    const torch::NoGradGuard no_grad;
    const ScopedStep moved(space, step * v);
    return whitened(denoiser, batch);
  };
  CHECK(along.abs().max().item<double>() > 1e-3);
  CHECK(relative_error((at(h) - at(-h)) / (2 * h), along) < 1e-7);
  const auto u = random_vector(along.numel(), 4).view(along.sizes());
  CHECK_THAT(jacobian.vjp(u).dot(v).item<double>(),
             WithinRel((u * along).sum().item<double>(), 1e-10));
}
