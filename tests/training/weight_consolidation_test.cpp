#include "training/weight_consolidation.h"

#include "core/error.h"
#include "curvature/curvature_fit.h"
#include "models/layers/linear.h"
#include "tests/support/catch.h"
#include "tests/support/linear_regression.h"
#include "tests/support/relative_error.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

constexpr int64_t kDim = LinearRegression::kDim;

/// D(x) = W x + b through a layer that curvature can be fitted to.
struct LayerDenoiser final : Denoiser {
  LayerDenoiser() { layer->to(torch::kFloat64); }
  torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor&) override {
    return layer->forward(x.flatten(1)).view(x.sizes());
  }
  Linear layer{kDim, kDim};
};

/// -ln p of one image of a batch, over d: what a training loss is.
torch::Tensor mean_loss(Denoiser& denoiser, const RegressionBatch& batch) {
  const auto error = whitened(denoiser, batch) - batch.x0 / per_sample(batch.tau, batch.x);
  return error.square().sum() / static_cast<double>(2 * batch.size() * kDim);
}

/// [W | b] that minimises sum_k weight_k (-ln p of an image of batch k).
torch::Tensor least_squares(const std::vector<std::pair<double, RegressionBatch>>& tasks) {
  auto square = torch::zeros({kDim + 1, kDim + 1}, torch::kFloat64);
  auto cross = torch::zeros({kDim + 1, kDim}, torch::kFloat64);
  for (const auto& [weight, batch] : tasks) {
    const auto a = LinearRegression::inputs(batch);
    const auto scale = weight / static_cast<double>(batch.size());
    square += scale * a.t().matmul(a);
    cross += scale * a.t().matmul(batch.x0.flatten(1) / batch.tau.unsqueeze(1));
  }
  return torch::linalg_solve(square, cross).t();
}

TensorMap named(const torch::Tensor& solution) {
  return {{"weight", solution.narrow(1, 0, kDim).contiguous()},
          {"bias", solution.select(1, kDim).contiguous()}};
}

}  // namespace

TEST_CASE("remembering one quadratic task while learning another is learning both",
          "[training][oracle]") {
  const double strength = GENERATE(1.0, 2.5);
  const LinearRegression data;
  const auto old_task = data.batch(20, 0), new_task = data.batch(30, 1);
  LayerDenoiser denoiser;
  const ParameterSpace space(*denoiser.layer);
  auto rng = make_generator(1, "targets");
  const auto curvature = fit_curvature(
      denoiser, space, {.kind = CurvatureKind::exact, .targets = FisherTargets::every},
      [&](int64_t) { return old_task; }, 1, rng);
  const auto before = named(least_squares({{1, old_task}}));
  const WeightConsolidation remembered(curvature, before, strength, kDim);

  FlatParameters parameters(*denoiser.layer);
  const auto go_to = [&](const TensorMap& there) {
    const torch::NoGradGuard no_grad;
    for (const auto& slot : parameters.slots()) {
      slot.view(parameters.values()).copy_(there.at(slot.name));
    }
  };
  const auto gradient = [&] {
    std::vector<torch::Tensor> parts;
    for (const auto& slot : parameters.slots()) parts.push_back(slot.parameter.grad().flatten());
    return torch::cat(parts);
  };
  go_to(named(least_squares({{strength, old_task}, {1, new_task}})));
  mean_loss(denoiser, new_task).backward();
  const auto alone = gradient().clone();
  const double nats = remembered.add_gradient(parameters);
  CHECK(alone.norm().item<double>() > 1e-2);
  CHECK(gradient().norm().item<double>() < 1e-12);

  // For a linear denoiser the divergence is quadratic: what F foretells is what it is.
  const torch::NoGradGuard no_grad;
  const auto now = whitened(denoiser, old_task);
  go_to(before);
  const auto way = now - whitened(denoiser, old_task);
  CHECK_THAT(nats, WithinRel(way.square().sum().item<double>() / 40, 1e-10));
}

TEST_CASE("at the model remembered there is no penalty", "[training]") {
  LayerDenoiser denoiser;
  const ParameterSpace space(*denoiser.layer);
  auto rng = make_generator(1, "targets");
  const auto curvature = fit_curvature(
      denoiser, space, {}, [&](int64_t) { return LinearRegression().batch(20); }, 1, rng);
  FlatParameters parameters(*denoiser.layer);
  const WeightConsolidation remembered(curvature, parameters.views(parameters.values().clone()), 1,
                                       kDim);
  CHECK(remembered.add_gradient(parameters) == 0);
}

TEST_CASE("what is added to gradients reaches them, missing and collected ones too", "[training]") {
  Linear layer(2, 1);
  FlatParameters parameters(*layer);
  const auto more = torch::tensor({1.0F, 2.0F, 3.0F});
  parameters.add_to_gradients(more);
  CHECK(torch::equal(layer->weight.grad(), torch::tensor({{1.0F, 2.0F}})));
  parameters.add_to_gradients(more);
  CHECK(torch::equal(layer->bias.grad(), torch::tensor({6.0F})));
  parameters.collect_gradients();
  parameters.add_to_gradients(more);
  CHECK(torch::equal(parameters.slots()[0].view(parameters.collected()),
                     torch::tensor({{3.0F, 6.0F}})));
}

TEST_CASE("options of remembering out of range are refused by their key", "[training][error]") {
  EwcOptions options;
  options.strength = 0;
  CHECK_THROWS_WITH(check_options(options), Contains("ewc.strength"));
  options.strength = 1;
  options.curvature = "file";
  CHECK_THROWS_WITH(check_options(options), Contains("ewc.curvature"));
}
