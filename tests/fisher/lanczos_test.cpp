#include "fisher/lanczos.h"

#include "core/random.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const auto kDouble = torch::kFloat64;

torch::Tensor symmetric(const torch::Tensor& eigenvalues, at::Generator& rng) {
  const auto d = eigenvalues.size(0);
  const auto basis = std::get<0>(torch::linalg_qr(torch::randn({d, d}, rng, kDouble)));
  return basis.matmul(eigenvalues.unsqueeze(1) * basis.t());
}

RitzPairs decompose(const torch::Tensor& matrix, int64_t steps, at::Generator& rng) {
  return lanczos([&](const torch::Tensor& v) { return matrix.matmul(v); },
                 torch::randn({matrix.size(0)}, rng, kDouble), steps, rng);
}

double largest(const torch::Tensor& t) { return t.abs().max().item<double>(); }

}  // namespace

TEST_CASE("as many Lanczos steps as dimensions give the whole eigendecomposition",
          "[fisher][oracle]") {
  auto rng = make_generator(1, "test");
  const auto root = torch::randn({30, 30}, rng, kDouble);
  const auto matrix = root + root.t();
  const auto ritz = decompose(matrix, 50, rng);
  const auto exact = std::get<0>(torch::linalg_eigh(matrix, "L")).flip(0);
  REQUIRE(largest(ritz.values - exact) < 1e-10);
  REQUIRE(largest(ritz.residuals) < 1e-10);
  REQUIRE(largest(ritz.vectors.matmul(ritz.vectors.t()) - torch::eye(30, kDouble)) < 1e-12);
  REQUIRE(largest(matrix.matmul(ritz.vectors.t()) - ritz.vectors.t() * ritz.values) < 1e-10);
}

TEST_CASE("every Ritz value has an eigenvalue within its residual", "[fisher][property]") {
  auto rng = make_generator(2, "test");
  const auto exact = torch::pow(0.9, torch::arange(200, kDouble));
  const auto ritz = decompose(symmetric(exact, rng), 40, rng);
  REQUIRE(ritz.values.size(0) == 40);
  const auto distance = std::get<0>((ritz.values.unsqueeze(1) - exact).abs().min(1));
  REQUIRE(((distance <= ritz.residuals + 1e-13).all().item<bool>()));
  REQUIRE(largest(ritz.values.narrow(0, 0, 8) - exact.narrow(0, 0, 8)) < 1e-10);
}

TEST_CASE("Lanczos goes on where a Krylov space ends", "[fisher][oracle]") {
  auto rng = make_generator(3, "test");
  const auto exact = torch::tensor({3.0, 3.0, 3.0, 1.0, 0.0, 0.0, -2.0, -2.0}, kDouble);
  const auto ritz = decompose(symmetric(exact, rng), 8, rng);
  REQUIRE(largest(ritz.values - exact) < 1e-12);
  const auto nothing = decompose(torch::zeros({5, 5}, kDouble), 5, rng);
  REQUIRE(largest(nothing.values) == 0);
}

TEST_CASE("Lanczos vectors are orthogonal also where directions all but vanish",
          "[fisher][property]") {
  auto rng = make_generator(4, "test");
  const auto exact = torch::pow(0.1, torch::arange(9, kDouble));
  const auto ritz = decompose(symmetric(exact, rng), 9, rng);
  REQUIRE(largest(ritz.vectors.matmul(ritz.vectors.t()) - torch::eye(9, kDouble)) < 1e-13);
  REQUIRE(largest(ritz.values - exact) < 1e-14);
}

TEST_CASE("of an asymmetric operator Lanczos finds the symmetric part", "[fisher][oracle]") {
  auto rng = make_generator(5, "test");
  const auto matrix = torch::randn({20, 20}, rng, kDouble);
  const auto ritz = decompose(matrix, 20, rng);
  const auto exact = std::get<0>(torch::linalg_eigh((matrix + matrix.t()) / 2, "L")).flip(0);
  REQUIRE(largest(ritz.values - exact) < 1e-10);
  REQUIRE(largest(ritz.residuals) > 0.1);  // of the operator itself
}

TEST_CASE("Lanczos knows no units", "[fisher][property]") {
  const auto exact = torch::pow(0.9, torch::arange(200, kDouble));
  const auto values_of = [&](double unit) {
    auto rng = make_generator(2, "test");
    return decompose(unit * symmetric(exact, rng), 40, rng).values.narrow(0, 0, 8) / unit;
  };
  REQUIRE(largest(values_of(1e-14) - exact.narrow(0, 0, 8)) < 1e-10);
  REQUIRE(largest(values_of(1e14) - exact.narrow(0, 0, 8)) < 1e-10);
}
