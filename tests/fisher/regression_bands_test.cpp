#include "fisher/regression_bands.h"

#include "core/random.h"
#include "tests/support/catch.h"
#include "tests/support/relative_error.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

PreconditioningOptions edm() { return {.name = "edm", .sigma_data = 0.5}; }

/// D = x_0 + shift, whatever x.
torch::Tensor half_squares(const RegressionBatch& batch, double shift) {
  const auto phi = torch::full_like(batch.x0, shift) / per_sample(batch.tau, batch.x0);
  return 0.5 * phi.square().flatten(1).sum(1);
}

}  // namespace

TEST_CASE("the regression of training has the loss as its log likelihood",
          "[fisher][parameters][oracle]") {
  LossOptions loss;
  loss.weighting = GENERATE(LossWeighting::edm, LossWeighting::epsilon, LossWeighting::x0,
                            LossWeighting::network);
  const DenoisingScoreMatching objective(loss, edm());
  const RegressionBands bands(objective, ParameterWeighting::train, 0.01, 50, 3);
  auto rng = make_generator(1, "images");
  const auto batch = bands.draw(1, torch::randn({7, 1, 2, 5}, rng, torch::kFloat64), rng);
  const auto error = torch::full({7}, 0.3 * 0.3, torch::kFloat64);  // a mean over the 10 numbers
  CHECK(relative_error(half_squares(batch, 0.3), 10 * objective.weighted(error, batch.sigma)) <
        1e-12);
}

TEST_CASE("bands share the noise levels of training between them", "[fisher][parameters]") {
  const DenoisingScoreMatching objective({}, edm());
  const auto weighting = GENERATE(ParameterWeighting::train, ParameterWeighting::likelihood);
  const RegressionBands bands(objective, weighting, 0.01, 50, 4);
  auto rng = make_generator(2, "images");
  double last = 0;
  for (int64_t k = 0; k < 4; ++k) {
    const auto [low, high] = bands.range(k);
    CHECK(low >= last * (1 - 1e-9));
    last = high;
    const auto sigma = bands.draw(k, torch::zeros({200, 1, 1, 1}, torch::kFloat64), rng).sigma;
    CHECK(sigma.min().item<double>() >= low);
    CHECK(sigma.max().item<double>() <= high);
    CHECK(sigma.log().std().item<double>() >
          0.2 * std::log(std::min(high, 100.0) / std::max(low, 1e-3)) / 2);
  }
  if (weighting == ParameterWeighting::train) {  // the middle is the median, exp(p_mean)
    CHECK_THAT(bands.range(1).second, WithinRel(std::exp(-1.2), 1e-9));
  } else {
    CHECK_THAT(bands.range(1).second, WithinRel(std::sqrt(0.01 * 50), 1e-9));
  }
}

TEST_CASE("the regression of the likelihood measures the divergence of paths",
          "[fisher][parameters][oracle]") {
  const DenoisingScoreMatching objective({}, edm());
  const double low = 0.2, high = 3, shift = 0.7;
  const RegressionBands bands(objective, ParameterWeighting::likelihood, low, high, 5);
  auto rng = make_generator(3, "images");
  double mean = 0;
  for (int64_t k = 0; k < 5; ++k) {
    const auto batch = bands.draw(k, torch::zeros({2000, 1, 1, 1}, torch::kFloat64), rng);
    mean += half_squares(batch, shift).mean().item<double>() / 5;
  }
  // int (shift / sigma^2)^2 sigma dsigma
  const double path = shift * shift * (1 / (low * low) - 1 / (high * high)) / 2;
  CHECK_THAT(mean, WithinRel(path, 1e-3));
}
