#include "curvature/influence.h"

#include "core/preconditioning.h"
#include "curvature/parameter_jacobian.h"
#include "tests/support/affine_regression.h"
#include "tests/support/catch.h"
#include "tests/support/relative_error.h"
#include "tests/support/small_networks.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

/// The training images, the least-squares fit to them, an image to ask about, and who helps it.
struct Example {
  Example() {
    regression.set(AffineRegression::least_squares(train));
    const auto space = regression.space();
    const auto fisher = regression.curvature(train);
    Influence influence(fisher, /*ridge=*/1e-14, train.size());
    const TappedBatch tapped(regression, space, query);
    gradient = layer_gradient(tapped, whitened_target(query), space);
    influence.add_query(gradient);
    scores =
        influence.of(TappedBatch(regression, space, train), whitened_target(train)).select(1, 0);
  }

  double loss(const torch::Tensor& theta) {
    regression.set(theta);
    const torch::NoGradGuard no_grad;
    const auto error = whitened(regression, query) - whitened_target(query);
    return 0.5 * error.square().sum().item<double>();
  }

  /// The fit with image n weighted by w.
  torch::Tensor retrained(int64_t n, double w) const {
    auto weights = torch::ones({train.size()}, torch::kFloat64);
    weights[n] = w;
    return AffineRegression::least_squares(train, weights);
  }

  AffineRegression regression;
  RegressionBatch train = LinearRegression().batch(12, 0);
  RegressionBatch query = LinearRegression().batch(1, 1);
  torch::Tensor gradient, scores;
};

}  // namespace

TEST_CASE("influence is the slope of the loss as an image fades out of a regression",
          "[curvature][oracle]") {
  Example example;
  for (int64_t n = 0; n < example.train.size(); ++n) {
    const double h = 1e-4;
    const double slope =
        (example.loss(example.retrained(n, 1 - h)) - example.loss(example.retrained(n, 1 + h))) /
        (2 * h);
    CHECK_THAT(example.scores[n].item<double>(), WithinRel(slope, 1e-6));
  }
}

TEST_CASE("over 1 - leverage it is what leaving the image out does, exactly",
          "[curvature][oracle]") {
  Example example;
  const auto a = LinearRegression::inputs(example.train);
  const auto inverse = torch::inverse(a.t().matmul(a));
  const auto theta = example.retrained(0, 1);
  const auto j = LinearRegression::jacobian(example.query, 0);
  for (int64_t n = 0; n < example.train.size(); ++n) {
    const double leverage = a[n].dot(inverse.mv(a[n])).item<double>();
    const auto moved = example.retrained(n, 0) - theta;
    const double linear = example.scores[n].item<double>() / (1 - leverage);
    CHECK_THAT(linear, WithinRel(example.gradient.dot(moved).item<double>(), 1e-9));
    // The loss is quadratic: what is left of its change is known too.
    const double rise = example.loss(example.retrained(n, 0)) - example.loss(theta);
    CHECK_THAT(linear + 0.5 * j.mv(moved).square().sum().item<double>(), WithinRel(rise, 1e-9));
  }
}

TEST_CASE("the gradients of a U-Net's layers, image by image, meet each query",
          "[curvature][oracle]") {
  const auto network = small_network("unet");
  const auto preconditioning = make_preconditioning({.name = "edm", .sigma_data = 0.5});
  PreconditionedDenoiser denoiser(*network, *preconditioning);
  const ParameterSpace space(*network);
  auto rng = make_generator(2, "images");
  const auto shape = small_shape();
  const auto x = torch::randn({3, shape.channels, shape.height, shape.width}, rng, torch::kFloat64);
  const auto sigma = torch::rand({3}, rng, torch::kFloat64) + 0.3;
  const RegressionBatch batch = {0.5 * x, x, sigma, sigma};
  const TappedBatch tapped(denoiser, space, batch);
  auto blocks = curvature_blocks(tapped, space);
  for (auto& block : blocks) {
    int64_t count = 0;
    for (const auto i : block.tensors) count += space.blocks()[static_cast<size_t>(i)].count;
    block.eigenvalues = torch::rand({block.rows, count / block.rows}, rng, torch::kFloat64) + 0.5;
  }
  const Curvature fisher(space, blocks);
  Influence influence(fisher, 0.1, 7);
  const auto queries = torch::randn({2, space.dim()}, rng, torch::kFloat64);
  for (int64_t q = 0; q < 2; ++q) influence.add_query(queries[q]);
  const auto scores = influence.of(tapped, whitened_target(batch));
  REQUIRE(scores.sizes() == at::IntArrayRef({3, 2}));

  auto in_layers = torch::ones({space.dim()}, torch::kFloat64);
  for (const auto i : tapped.others()) {
    const auto& place = space.blocks()[static_cast<size_t>(i)];
    in_layers.narrow(0, place.begin, place.count).zero_();
  }
  auto mean = torch::zeros({space.dim()}, torch::kFloat64);
  for (int64_t n = 0; n < 3; ++n) {
    const auto one = part(batch, n, 1);
    const ParameterJacobian jacobian(denoiser, space, one);
    const auto g = in_layers * jacobian.vjp(jacobian.predictions() - whitened_target(one));
    mean += g / 3;
    for (int64_t q = 0; q < 2; ++q) {
      const double want = (queries[q] / (fisher.diagonal() + 0.1)).dot(g).item<double>() / 7;
      CHECK_THAT(scores[n][q].item<double>(), WithinRel(want, 1e-10));
    }
  }
  CHECK(relative_error(layer_gradient(tapped, whitened_target(batch), space), mean) < 1e-12);
}
