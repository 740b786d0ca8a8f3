#include "curvature/pruning.h"

#include <algorithm>
#include <bit>

#include "tests/support/affine_regression.h"
#include "tests/support/catch.h"
#include "tests/support/relative_error.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

/// The step to theta without what is removed.
torch::Tensor removal(const torch::Tensor& theta, const torch::Tensor& removed) {
  return -theta * removed.to(theta.options());
}

torch::Tensor mask_of(uint32_t bits, int64_t count) {
  auto mask = torch::zeros({count}, torch::kBool);
  for (int64_t i = 0; i < count; ++i) mask[i] = ((bits >> i) & 1U) != 0;
  return mask;
}

}  // namespace

TEST_CASE("where inputs are orthogonal no other numbers of that count cost less",
          "[curvature][oracle]") {
  AffineRegression regression;
  const auto space = regression.space();
  const auto theta = regression.theta();
  const auto batch = orthogonal_batch(torch::tensor({1.0, 0.3, 2.5}, torch::kFloat64), 0);
  const auto fisher = regression.curvature(batch, CurvatureKind::diagonal);
  const int count = GENERATE(1, 4, 7);
  const auto pruning = prune(fisher, theta, PruningKind::unstructured, (count + 0.5) / 12);
  REQUIRE(pruning.candidates == 12);
  REQUIRE(pruning.count() == count);
  const auto cost = [&](const torch::Tensor& removed) {
    return measured_divergence(regression, space, batch, removal(theta, removed));
  };
  const double own = cost(pruning.removed);
  CHECK_THAT(pruning.divergence, WithinRel(own, 1e-10));
  double least = 1e300;
  for (uint32_t bits = 0; bits < (1U << 12); ++bits) {
    if (std::popcount(bits) == count) least = std::min(least, cost(mask_of(bits, 12)));
  }
  CHECK_THAT(own, WithinRel(least, 1e-10));
  // The smallest weights are not the cheapest.
  const auto smallest = prune(fisher, theta, PruningKind::magnitude, (count + 0.5) / 12);
  CHECK(smallest.count() == count);
  CHECK(theta.masked_select(smallest.removed).abs().max().item<double>() <
        theta.masked_select(smallest.removed.logical_not()).abs().min().item<double>());
  CHECK_THAT(smallest.divergence, WithinRel(cost(smallest.removed), 1e-10));
  CHECK(smallest.divergence > (count == 1 ? 0.99 : 1.01) * own);
}

TEST_CASE("outputs are removed whole, the cheapest first, at the cost foretold",
          "[curvature][oracle]") {
  const auto kind = GENERATE(CurvatureKind::exact, CurvatureKind::kfac);
  AffineRegression regression;
  const auto space = regression.space();
  const auto theta = regression.theta();
  auto batch = LinearRegression().batch(9);
  if (kind == CurvatureKind::kfac) batch.tau.fill_(0.7);  // where K-FAC is exact
  const auto fisher = regression.curvature(batch, kind);
  std::vector<std::pair<double, int64_t>> rows;
  for (int64_t row = 0; row < 3; ++row) {
    auto removed = torch::zeros({12}, torch::kBool);
    removed.narrow(0, 3 * row, 3).fill_(true);
    removed[9 + row] = true;
    rows.push_back({measured_divergence(regression, space, batch, removal(theta, removed)), row});
  }
  std::sort(rows.begin(), rows.end());
  const int64_t count = GENERATE(1, 2);
  // A share that is not quite enough for one more.
  const auto pruning =
      prune(fisher, theta, PruningKind::structured, (4 * static_cast<double>(count) + 3) / 12);
  auto want = torch::zeros({12}, torch::kBool);
  for (int64_t i = 0; i < count; ++i) {
    const auto row = rows[static_cast<size_t>(i)].second;
    want.narrow(0, 3 * row, 3).fill_(true);
    want[9 + row] = true;
  }
  CHECK(torch::equal(pruning.removed, want));
  CHECK_THAT(pruning.divergence, WithinRel(measured_divergence(regression, space, batch,
                                                               removal(theta, pruning.removed)),
                                           1e-10));
}

TEST_CASE("with correlated inputs the whole matrix still foretells what it costs",
          "[curvature][oracle]") {
  AffineRegression regression;
  const auto batch = LinearRegression().batch(9);
  const auto fisher = regression.curvature(batch);
  const auto pruning = prune(fisher, regression.theta(), PruningKind::unstructured, 0.5);
  REQUIRE(pruning.count() == 6);
  CHECK_THAT(pruning.divergence,
             WithinRel(measured_divergence(regression, regression.space(), batch,
                                           removal(regression.theta(), pruning.removed)),
                       1e-10));
}
