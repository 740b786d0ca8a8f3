#include "fisher/tridiagonal.h"

#include "core/random.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

/// Eigenvalues 1, 1/2, 1/4, ... in a random basis.
struct Known {
  explicit Known(at::ScalarType type) {
    auto rng = make_generator(1, "basis");
    const auto q = std::get<0>(torch::linalg_qr(torch::randn({12, 12}, rng, torch::kFloat64)));
    values = torch::pow(2.0, -torch::arange(12, torch::kFloat64));
    matrix = q.matmul(torch::diag(values)).matmul(q.t()).to(type);
    start = torch::randn({12}, rng, torch::kFloat64).to(type);
  }
  MatrixProduct product() const {
    return [m = matrix](const torch::Tensor& v) { return m.mv(v); };
  }
  torch::Tensor values, matrix, start;
};

}  // namespace

TEST_CASE("the whole Krylov space has the whole spectrum", "[fisher][oracle]") {
  const auto type = GENERATE(torch::kFloat64, torch::kFloat32);
  const Known known(type);
  const auto t = tridiagonalise(known.product(), known.start, 12);
  REQUIRE(t.diagonal.size(0) == 12);
  const double digits = type == torch::kFloat64 ? 1e-12 : 1e-5;
  const auto pairs = leading_pairs(t, 3);
  CHECK((pairs.values - known.values.narrow(0, 0, 3)).abs().max().item<double>() < digits);
  const auto error =
      pairs.vectors.matmul(known.matrix) - pairs.values.to(type).unsqueeze(1) * pairs.vectors;
  CHECK(error.abs().max().item<double>() < 10 * digits);
}

TEST_CASE("a few steps find the end of the spectrum and say how well", "[fisher][oracle]") {
  const Known known(torch::kFloat64);
  const auto pairs = leading_pairs(tridiagonalise(known.product(), known.start, 5), 2);
  for (int64_t i = 0; i < 2; ++i) {
    const auto u = pairs.vectors[i];
    const auto residual = known.matrix.mv(u) - pairs.values[i] * u;
    CHECK_THAT(residual.norm().item<double>(), WithinRel(pairs.residuals[i].item<double>(), 1e-8));
  }
  CHECK(pairs.values[0].item<double>() <= 1);
  CHECK_THAT(pairs.values[0].item<double>(), WithinAbs(1, 1e-3));
}

TEST_CASE("m steps integrate polynomials of degree 2 m - 1 over the spectrum", "[fisher][oracle]") {
  const Known known(torch::kFloat64);
  const auto rule = spectral_quadrature(tridiagonalise(known.product(), known.start, 3));
  REQUIRE(rule.nodes.size() == 3);
  auto power = known.start;
  for (int degree = 0; degree <= 6; ++degree) {
    const double exact = (known.start.dot(power) / known.start.dot(known.start)).item<double>();
    double sum = 0;
    for (size_t i = 0; i < 3; ++i) sum += rule.weights[i] * std::pow(rule.nodes[i], degree);
    INFO("degree " << degree);
    if (degree <= 5) CHECK_THAT(sum, WithinRel(exact, 1e-10));
    if (degree == 6) CHECK(std::abs(sum - exact) > 1e-8 * exact);
    power = known.matrix.mv(power);
  }
}

TEST_CASE("a space that is exhausted early ends early", "[fisher][oracle]") {
  const auto identity = [](const torch::Tensor& v) { return 3 * v; };
  const auto t = tridiagonalise(identity, torch::ones({7}, torch::kFloat64), 5);
  REQUIRE(t.diagonal.size(0) == 1);
  CHECK_THAT(leading_pairs(t, 4).values[0].item<double>(), WithinRel(3.0, 1e-14));
}
