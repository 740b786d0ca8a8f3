#include "fisher/denoiser_jacobian.h"

#include "core/gaussian_mixture.h"
#include "core/random.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const auto kDouble = torch::kFloat64;

/// D(x) = x W + (x^2) U: an asymmetric Jacobian known in closed form.
class QuadraticDenoiser final : public Denoiser {
 public:
  QuadraticDenoiser() {
    auto rng = make_generator(5, "test");
    w_ = torch::randn({4, 4}, rng, kDouble);
    u_ = torch::randn({4, 4}, rng, kDouble);
  }
  torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor&) override {
    return x.matmul(w_) + x.square().matmul(u_);
  }
  /// [B, 4, 4]: d D_i / d x_j.
  torch::Tensor jacobian(const torch::Tensor& x) const {
    return w_.t() + u_.t() * (2 * x).unsqueeze(1);
  }

 private:
  torch::Tensor w_, u_;
};

/// x^3, as a function that has a reverse derivative only.
struct Cube : torch::autograd::Function<Cube> {
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& x) {
    context->save_for_backward({x});
    return x.pow(3);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    return {3 * context->get_saved_variables()[0].square() * gradients[0]};
  }
};

class CubeDenoiser final : public Denoiser {
 public:
  torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor&) override {
    return Cube::apply(x);
  }
};

}  // namespace

TEST_CASE("products with the denoiser's Jacobian are those of the closed form",
          "[fisher][oracle]") {
  QuadraticDenoiser denoiser;
  auto rng = make_generator(6, "test");
  const auto x = torch::randn({3, 4}, rng, kDouble);
  const auto v = torch::randn({3, 4}, rng, kDouble);
  const DenoiserJacobian at(denoiser, x, torch::ones({3}, kDouble));
  const auto a = denoiser.jacobian(x);
  REQUIRE(torch::allclose(at.denoised(), denoiser.denoise(x, {}), 1e-12, 1e-12));
  REQUIRE(torch::allclose(at.jvp(v), torch::einsum("bij,bj->bi", {a, v}), 1e-12, 1e-12));
  REQUIRE(torch::allclose(at.vjp(v), torch::einsum("bij,bi->bj", {a, v}), 1e-12, 1e-12));
  // Again, from the graph that is kept now, and along another vector.
  REQUIRE(torch::allclose(at.vjp(v), torch::einsum("bij,bi->bj", {a, v}), 1e-12, 1e-12));
  REQUIRE(torch::allclose(at.jvp(2 * v), 2 * torch::einsum("bij,bj->bi", {a, v}), 1e-12, 1e-12));
  REQUIRE(torch::allclose(at.exact_trace(), a.diagonal(0, 1, 2).sum(1), 1e-12, 1e-12));
  const auto forward = denoiser_jvp(denoiser, x, torch::ones({3}, kDouble), v);
  REQUIRE(torch::allclose(forward, torch::einsum("bij,bj->bi", {a, v}), 1e-12, 1e-12));
}

TEST_CASE("an operation without a forward derivative is differentiated twice in reverse",
          "[fisher][oracle]") {
  CubeDenoiser denoiser;
  auto rng = make_generator(8, "test");
  const auto x = torch::randn({3, 4}, rng, kDouble);
  const auto v = torch::randn({3, 4}, rng, kDouble);
  const auto product = denoiser_jvp(denoiser, x, torch::ones({3}, kDouble), v);
  REQUIRE(torch::allclose(product, 3 * x.square() * v, 1e-12, 1e-12));
  // A failed level of forward mode is left behind: the next one works.
  QuadraticDenoiser quadratic;
  const auto next = denoiser_jvp(quadratic, x, torch::ones({3}, kDouble), v);
  REQUIRE(torch::allclose(next, torch::einsum("bij,bj->bi", {quadratic.jacobian(x), v})));
}

TEST_CASE("Rademacher probes are fair signs", "[fisher][statistical]") {
  auto rng = make_generator(7, "test");
  const auto v = rademacher_like(torch::zeros({10000}), rng);
  REQUIRE((v.abs() == 1).all().item<bool>());
  REQUIRE(std::abs(v.mean().item<double>()) < 5 / std::sqrt(10000.0));
}
