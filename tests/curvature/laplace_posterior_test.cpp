#include "curvature/laplace_posterior.h"

#include <torch/nn.h>

#include <cmath>

#include "tests/support/affine_regression.h"
#include "tests/support/catch.h"
#include "tests/support/formed_fisher.h"
#include "tests/support/relative_error.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

constexpr int64_t kImages = 50;

torch::Tensor precision(const Curvature& fisher, double prior) {
  const auto formed_one = formed(fisher);
  return kImages * formed_one + prior * torch::eye(formed_one.size(0), torch::kFloat64);
}

}  // namespace

TEST_CASE("the posterior of a linear denoiser is that of Bayesian regression",
          "[curvature][oracle]") {
  const double prior = 0.8;
  AffineRegression regression;
  const auto fisher = regression.curvature(LinearRegression().batch(9));
  const LaplacePosterior posterior(fisher, kImages);
  const auto identity = torch::eye(12, torch::kFloat64);
  std::vector<torch::Tensor> columns;
  for (int64_t i = 0; i < 12; ++i) columns.push_back(posterior.step(identity[i], prior));
  const auto root = torch::stack(columns, 1);
  const auto covariance = torch::inverse(precision(fisher, prior));
  CHECK(relative_error(root.matmul(root.t()), covariance) < 1e-11);
  const auto shrunk = identity - prior * covariance;
  CHECK_THAT(posterior.effective_parameters(prior),
             WithinRel(shrunk.trace().item<double>(), 1e-10));
}

TEST_CASE("draws spread predictions as their covariance says, x^T Sigma x",
          "[curvature][oracle][statistical]") {
  constexpr int64_t kDraws = 4000;
  const double prior = 0.8;
  AffineRegression regression;
  const auto space = regression.space();
  const auto batch = LinearRegression().batch(9);
  const auto fisher = regression.curvature(batch);
  const LaplacePosterior posterior(fisher, kImages);
  auto rng = make_generator(9, "draws");
  std::vector<torch::Tensor> predictions;
  for (int64_t i = 0; i < kDraws; ++i) {
    const torch::NoGradGuard no_grad;
    const ScopedStep step(space, posterior.step(torch::randn({12}, rng, torch::kFloat64), prior));
    predictions.push_back(regression.denoise(batch.x, batch.sigma).flatten(1));
  }
  const auto measured = torch::stack(predictions).var(0);  // [9, 3]
  const auto covariance = torch::inverse(precision(fisher, prior));
  for (int64_t n = 0; n < batch.size(); ++n) {
    const auto j = LinearRegression::jacobian(batch, n) * batch.tau[n];  // of D, not of D / tau
    const auto want = j.matmul(covariance).matmul(j.t()).diag();
    const auto z = (measured[n] / want - 1) / std::sqrt(2.0 / (kDraws - 1));
    CHECK(z.abs().max().item<double>() < 4);
  }
}

TEST_CASE("the prior of the largest evidence is where the evidence is flat",
          "[curvature][oracle]") {
  AffineRegression regression;
  const auto theta = regression.theta();
  const auto fisher = regression.curvature(LinearRegression().batch(9));
  const double prior = LaplacePosterior(fisher, kImages).evidence_prior(theta);
  const auto log_evidence = [&](double p) {
    return 6 * std::log(p) - 0.5 * p * theta.square().sum().item<double>() -
           0.5 * torch::logdet(precision(fisher, p)).item<double>();
  };
  const auto rise = [&](double by) { return log_evidence(prior * by) - log_evidence(prior); };
  CHECK(rise(1.01) < 0);
  CHECK(rise(0.99) < 0);
  const double slope = (rise(1 + 1e-4) - rise(1 - 1e-4)) / 2e-4;
  CHECK(std::abs(slope) < 1e-6);
}

TEST_CASE("what is not free stays", "[curvature][oracle]") {
  torch::nn::Sequential two(torch::nn::Linear(2, 2), torch::nn::Linear(2, 1));
  two->to(torch::kFloat64);
  const ParameterSpace space(*two);
  const auto ones = [](int64_t rows, int64_t columns) {
    return torch::ones({rows, columns}, torch::kFloat64);
  };
  const Curvature fisher(
      space, {{"0", {0, 1}, 2, {}, {}, 3 * ones(2, 3)}, {"1", {2, 3}, 1, {}, {}, ones(1, 3)}});
  const LaplacePosterior last(fisher, kImages, {false, true});
  CHECK(last.dim() == 3);
  const auto step = last.step(torch::ones({9}, torch::kFloat64), 0.5);
  auto want = torch::zeros({9}, torch::kFloat64);
  want.narrow(0, 6, 3).fill_(1 / std::sqrt(kImages + 0.5));
  CHECK(relative_error(step, want) < 1e-14);
  CHECK_THAT(last.effective_parameters(0.5), WithinRel(3 * kImages / (kImages + 0.5), 1e-14));
}
