#include "curvature/curvature.h"

#include <cmath>

#include "core/random.h"
#include "curvature/kronecker_factors.h"
#include "tests/support/catch.h"
#include "tests/support/formed_fisher.h"
#include "tests/support/relative_error.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

torch::Tensor random_tensor(at::IntArrayRef shape, int64_t index) {
  auto rng = make_generator(7, "tensor", index);
  return torch::randn(shape, rng, torch::kFloat64);
}

torch::Tensor random_square(int64_t size, int64_t index) {
  const auto m = random_tensor({size, size}, index);
  return m.matmul(m.t());
}

/// Two layers and a vector: K-FAC for the first, whole for the second, diagonal for the third.
struct Example {
  Example() {
    struct Module : torch::nn::Module {
      Module() {
        register_parameter("w1", random_tensor({2, 3}, 0));
        register_parameter("b1", random_tensor({2}, 1));
        register_parameter("w2", random_tensor({1, 2}, 2));
        register_parameter("b2", random_tensor({1}, 3));
        register_parameter("scale", random_tensor({3}, 4));
      }
    };
    space = std::make_unique<ParameterSpace>(Module());
    const auto input = symmetric_eigen(a), output = symmetric_eigen(b);
    const auto whole = symmetric_eigen(c);
    curvature = std::make_unique<Curvature>(
        *space,
        std::vector<CurvatureBlock>{{"1",
                                     {0, 1},
                                     2,
                                     output.vectors,
                                     input.vectors,
                                     torch::outer(output.values, input.values)},
                                    {"2", {2, 3}, 1, whole.vectors, {}, whole.values.unsqueeze(1)},
                                    {"scale", {4}, 3, {}, {}, d.unsqueeze(1)}});
    // kron(B, A) belongs to rows [w1 | b1]; the vector has w1, then b1.
    const auto order = torch::tensor({0, 1, 2, 4, 5, 6, 3, 7});
    const auto kron = torch::kron(b, a).index_select(0, order).index_select(1, order);
    dense = torch::block_diag({kron, c, torch::diag(d)});
  }

  torch::Tensor a = random_square(4, 5), b = random_square(2, 6), c = random_square(3, 7),
                d = random_tensor({3}, 8).square();
  std::unique_ptr<ParameterSpace> space;
  std::unique_ptr<Curvature> curvature;
  torch::Tensor dense;
};

}  // namespace

TEST_CASE("products, solutions, roots, traces and determinants are those of the formed matrix",
          "[curvature][oracle]") {
  const Example example;
  const auto& curvature = *example.curvature;
  const auto& dense = example.dense;
  const double ridge = 0.1;
  const auto ridged = dense + ridge * torch::eye(14, torch::kFloat64);
  const auto v = random_tensor({14}, 9);
  CHECK(relative_error(formed(curvature), dense) < 1e-12);
  CHECK(relative_error(ridged.mv(curvature.solve(v, ridge)), v) < 1e-11);
  CHECK(relative_error(curvature.sqrt_matvec(curvature.sqrt_matvec(v)), dense.mv(v)) < 1e-11);
  CHECK(
      relative_error(curvature.inverse_sqrt_matvec(curvature.inverse_sqrt_matvec(v, ridge), ridge),
                     curvature.solve(v, ridge)) < 1e-11);
  CHECK(relative_error(curvature.diagonal(), dense.diag()) < 1e-12);
  CHECK_THAT(curvature.trace(), WithinRel(dense.trace().item<double>(), 1e-12));
  CHECK_THAT(curvature.logdet(ridge), WithinRel(torch::logdet(ridged).item<double>(), 1e-11));
  const auto largest = std::get<0>(torch::linalg_eigh(dense, "L"))[13].item<double>();
  const auto leading = curvature.leading_direction();
  CHECK(relative_error(dense.mv(leading), largest * leading) < 1e-11);
}

TEST_CASE("the form of a row alone is that of the vector without the others",
          "[curvature][oracle]") {
  const Example example;
  const auto& curvature = *example.curvature;
  const auto v = random_tensor({14}, 9);
  const std::vector<bool> layer = {true, true, false};
  for (size_t b = 0; b < curvature.blocks().size(); ++b) {
    const auto& block = curvature.blocks()[b];
    CHECK(curvature.is_layer(block) == layer[b]);
    const auto forms = block.row_forms(curvature.gather(v, block));
    REQUIRE(forms.size(0) == block.rows);
    for (int64_t row = 0; row < block.rows; ++row) {
      auto numbers = torch::zeros_like(block.eigenvalues);
      const auto own = curvature.gather(v, block).view({block.rows, -1})[row];
      numbers.view({block.rows, -1})[row] = own;
      auto alone = torch::zeros_like(v);
      curvature.scatter(numbers, block, alone);
      CHECK_THAT(forms[row].item<double>(),
                 WithinRel(alone.dot(example.dense.mv(alone)).item<double>(), 1e-11));
    }
  }
  CHECK_FALSE(curvature.is_diagonal());
}

TEST_CASE("float32 vectors come back as float32", "[curvature]") {
  const Example example;
  const auto v = random_tensor({14}, 9).to(torch::kFloat32);
  const auto product = example.curvature->matvec(v);
  CHECK(product.scalar_type() == torch::kFloat32);
  CHECK(relative_error(product.to(torch::kFloat64), example.dense.mv(v.to(torch::kFloat64))) <
        1e-5);
}

TEST_CASE("blocks cover every parameter once", "[curvature]") {
  const Example example;
  auto blocks = example.curvature->blocks();
  blocks.pop_back();
  CHECK_THROWS_AS(Curvature(*example.space, blocks), c10::Error);
  blocks.push_back(blocks.front());
  CHECK_THROWS_AS(Curvature(*example.space, blocks), c10::Error);
}

TEST_CASE("a running mean forgets at its rate from an honest start", "[curvature]") {
  RunningMean plain, forgetting;
  for (const double value : {1.0, 2.0, 6.0}) {
    plain.add(torch::tensor(2 * value), 2);
    forgetting.add(torch::tensor(2 * value), 2, 0.5);
  }
  CHECK_THAT(plain.mean().item<double>(), WithinRel(3.0, 1e-6));
  CHECK_THAT(forgetting.mean().item<double>(), WithinRel((0.25 + 1 + 6) / 1.75, 1e-6));
}
