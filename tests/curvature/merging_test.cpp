#include "curvature/merging.h"

#include "tests/support/affine_regression.h"
#include "tests/support/catch.h"
#include "tests/support/formed_fisher.h"
#include "tests/support/relative_error.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

constexpr double kTiny = 1e-13;  // a ridge that changes nothing

}  // namespace

TEST_CASE("the Fisher merge of fits to two data sets is the fit to both", "[curvature][oracle]") {
  AffineRegression regression;
  const LinearRegression data;
  const auto a = data.batch(40, 0), b = data.batch(25, 1);
  const auto fisher_a = regression.curvature(a), fisher_b = regression.curvature(b);
  const auto merge = merge_parameters({{AffineRegression::least_squares(a), &fisher_a, 40},
                                       {AffineRegression::least_squares(b), &fisher_b, 25}},
                                      kTiny);
  CHECK(relative_error(merge.theta, AffineRegression::least_squares(joined(a, b))) < 1e-10);
  CHECK(merge.iterations > 0);
  CHECK(merge.residual < 1e-11);
}

TEST_CASE("so is the number-by-number average where inputs are orthogonal", "[curvature][oracle]") {
  AffineRegression regression;
  const auto a = orthogonal_batch(torch::tensor({1.0, 0.5, 3.0}, torch::kFloat64), 0);
  const auto b = orthogonal_batch(torch::tensor({0.2, 2.0, 1.0}, torch::kFloat64), 1);
  const auto fisher_a = regression.curvature(a, CurvatureKind::diagonal);
  const auto fisher_b = regression.curvature(b, CurvatureKind::diagonal);
  const auto merge = merge_parameters({{AffineRegression::least_squares(a), &fisher_a},
                                       {AffineRegression::least_squares(b), &fisher_b}},
                                      kTiny);
  CHECK(relative_error(merge.theta, AffineRegression::least_squares(joined(a, b))) < 1e-11);
  CHECK(merge.iterations == 0);
}

TEST_CASE("merges of any form solve their equations", "[curvature][oracle]") {
  const auto kind = GENERATE(CurvatureKind::diagonal, CurvatureKind::kfac, CurvatureKind::ekfac,
                             CurvatureKind::exact);
  const double ridge = 0.03;
  AffineRegression regression;
  const LinearRegression data;
  std::vector<Curvature> fishers;
  std::vector<MergePart> parts;
  for (int64_t k = 0; k < 3; ++k) fishers.push_back(regression.curvature(data.batch(6, k), kind));
  auto rng = make_generator(8, "theta");
  auto left = torch::zeros({12, 12}, torch::kFloat64), right = torch::zeros({12}, torch::kFloat64);
  for (const auto& fisher : fishers) {
    const double share = 1 + static_cast<double>(parts.size());
    parts.push_back({torch::randn({12}, rng, torch::kFloat64), &fisher, share});
    const auto ridged = formed(fisher) + ridge * torch::eye(12, torch::kFloat64);
    left += share * ridged;
    right += share * ridged.mv(parts.back().theta);
  }
  const auto want = torch::linalg_solve(left, right);
  CHECK(relative_error(merge_parameters(parts, ridge).theta, want) < 1e-10);
}

TEST_CASE("without Fisher matrices a merge is the average by shares", "[curvature][oracle]") {
  const auto a = torch::tensor({1.0, 2.0}, torch::kFloat64);
  const auto b = torch::tensor({5.0, -2.0}, torch::kFloat64);
  const auto merge = merge_parameters({{a, nullptr, 3}, {b, nullptr, 1}}, 1);
  CHECK(relative_error(merge.theta, torch::tensor({2.0, 1.0}, torch::kFloat64)) < 1e-14);
}
