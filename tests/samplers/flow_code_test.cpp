#include "samplers/flow_code.h"

#include <cmath>
#include <numbers>

#include "core/error.h"
#include "core/gaussian_mixture.h"
#include "core/random.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

double largest(const torch::Tensor& difference) { return difference.abs().max().item<double>(); }

}  // namespace

TEST_CASE("the code of an image of Gaussian data is that of closed form", "[samplers][oracle]") {
  // x(u) = mu + sqrt((v + u^2) / (v + s^2)) (x(s) - mu)
  const double low = 0.01, high = 80;
  const auto v = torch::tensor({1.0, 0.25, 0.01}, torch::kFloat64);
  GaussianMixture data(torch::ones({1}), torch::full({1, 3}, 0.3, torch::kFloat64), v);
  auto rng = make_generator(2, "images");
  const auto images = data.sample(5, rng).view({5, 3, 1, 1});
  const FlowCode code(low, high, 1e-10);
  const auto codes = code.encode(data, images);
  const auto gain = ((v + high * high) / (v + low * low)).sqrt().view({3, 1, 1});
  REQUIRE(largest(codes - (0.3 + gain * (images - 0.3)) / high) < 1e-6);
  REQUIRE(largest(code.decode(data, codes) - images) < 1e-6);
}

TEST_CASE("images of a mixture come back from their codes, which are normal",
          "[samplers][oracle][statistical]") {
  const auto mean = torch::full({1, 4}, 0.8, torch::kFloat64);
  GaussianMixture data(torch::full({2}, 0.5), torch::cat({mean, -mean}), torch::full({4}, 0.1));
  auto rng = make_generator(3, "images");
  const double low = 1e-3;
  const auto clean = data.sample(1000, rng);
  const auto images = clean + low * torch::randn(clean.sizes(), rng, clean.options());
  const FlowCode code(low, 80, 1e-9);
  const auto codes = code.encode(data, images);
  REQUIRE(largest(code.decode(data, codes) - images) < 1e-6);
  REQUIRE(std::abs(codes.mean().item<double>()) < 5 / std::sqrt(4000));
  REQUIRE(largest(codes.var(0) - 1) < 5 * std::sqrt(2.0 / 1000));
}

TEST_CASE("slerp goes along the arc at even speed", "[samplers][oracle]") {
  const auto a = torch::tensor({{3.0, 0.0}}, torch::kFloat64);
  const auto b = torch::tensor({{0.0, 3.0}}, torch::kFloat64);
  for (const double t : {0.0, 0.25, 0.5, 1.0}) {
    const double angle = t * std::numbers::pi / 2;
    const auto expected =
        torch::tensor({{3 * std::cos(angle), 3 * std::sin(angle)}}, torch::kFloat64);
    REQUIRE(largest(slerp(a, b, t) - expected) < 1e-12);
  }
  REQUIRE(largest(slerp(a, 2 * a, 0.5) - 1.5 * a) < 1e-12);
}

TEST_CASE("codes of levels or a tolerance out of range are refused", "[samplers][error]") {
  REQUIRE_THROWS_WITH(FlowCode(0, 80, 1e-5), Contains("sigma_min"));
  REQUIRE_THROWS_WITH(FlowCode(90, 80, 1e-5), Contains("sigma_min") && Contains("80"));
  REQUIRE_THROWS_WITH(FlowCode(0.1, 80, 1), Contains("tolerance"));
}
