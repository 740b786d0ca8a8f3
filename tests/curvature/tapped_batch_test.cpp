#include "curvature/tapped_batch.h"

#include <set>

#include "core/preconditioning.h"
#include "curvature/parameter_jacobian.h"
#include "tests/support/catch.h"
#include "tests/support/relative_error.h"
#include "tests/support/small_networks.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

RegressionBatch images(int64_t count) {
  const auto shape = small_shape();
  auto rng = make_generator(2, "images");
  const auto x0 =
      torch::randn({count, shape.channels, shape.height, shape.width}, rng, torch::kFloat64);
  const auto sigma = torch::rand({count}, rng, torch::kFloat64) + 0.3;
  const auto x = x0 + per_sample(sigma, x0) * torch::randn(x0.sizes(), rng, torch::kFloat64);
  return {x0, x, sigma, sigma};
}

/// NCSN++'s options too: sums that are divided in place, and images that enter every level.
std::shared_ptr<ScoreNetwork> rescaled_unet() {
  auto options = small_model("unet");
  options.unet.skip_rescale = true;
  options.unet.output_skip = true;
  const auto network = make_network(options, small_shape(), 0);
  network->to(torch::kFloat64);
  randomise(*network, 5);
  network->eval();
  return network;
}

}  // namespace

TEST_CASE("gradients by layers and samples add up to the network's own", "[curvature][oracle]") {
  const auto kind = GENERATE(as<std::string>(), "mlp", "unet", "rescaled");
  const auto network = kind == "rescaled" ? rescaled_unet() : small_network(kind);
  const auto preconditioning = make_preconditioning({.name = "edm", .sigma_data = 0.5});
  PreconditionedDenoiser denoiser(*network, *preconditioning);
  const ParameterSpace space(*network);
  const auto batch = images(3);

  const TappedBatch tapped(denoiser, space, batch);
  const ParameterJacobian jacobian(denoiser, space, batch);
  CHECK(torch::equal(tapped.predictions().detach(), jacobian.predictions()));

  auto rng = make_generator(3, "u");
  const auto u = torch::randn(batch.x.sizes(), rng, torch::kFloat64);
  const auto backward = tapped.backward(u);
  std::vector<torch::Tensor> gradients(space.parameters().size());
  for (size_t i = 0; i < tapped.layers().size(); ++i) {
    const auto& layer = tapped.layers()[i];
    const auto all = sample_gradients(tapped.inputs(i), tapped.outputs(backward, i)).sum(0);
    REQUIRE(all.sizes() == at::IntArrayRef({layer.rows, layer.columns}));
    const auto& weight = space.parameters()[static_cast<size_t>(layer.weight)];
    gradients[static_cast<size_t>(layer.weight)] =
        all.narrow(1, 0, weight.numel() / layer.rows).reshape(weight.sizes());
    gradients[static_cast<size_t>(layer.bias)] = all.select(1, layer.columns - 1);
  }
  for (size_t i = 0; i < tapped.others().size(); ++i) {
    gradients[static_cast<size_t>(tapped.others()[i])] = backward.others[i];
  }
  const auto want = jacobian.vjp(u);
  CHECK(want.abs().max().item<double>() > 1e-3);
  CHECK(relative_error(space.flat(gradients), want) < 1e-12);
}

TEST_CASE("only norms and tables of classes belong to no layer", "[curvature]") {
  const auto network = small_network("unet", /*num_classes=*/3);
  const auto preconditioning = make_preconditioning({.name = "edm", .sigma_data = 0.5});
  PreconditionedDenoiser denoiser(*network, *preconditioning, torch::tensor({0, 1, 2}));
  const ParameterSpace space(*network);
  const TappedBatch tapped(denoiser, space, images(3));
  for (const auto i : tapped.others()) {
    const auto& name = space.blocks()[static_cast<size_t>(i)].name;
    INFO(name);
    CHECK(
        (name.find("norm") != std::string::npos || name.find("class_table") != std::string::npos));
  }
  std::set<int64_t> all(tapped.others().begin(), tapped.others().end());
  for (const auto& layer : tapped.layers()) all.insert({layer.weight, layer.bias});
  CHECK(all.size() == space.parameters().size());
}

TEST_CASE("nothing is seen without a graph, and taps do not nest", "[curvature]") {
  struct Counter final : LayerTap {
    int count = 0;
    void see(const AffineCall&) override { ++count; }
  } counter;
  Linear layer(2, 2);
  const ScopedLayerTap tap(counter);
  {
    const torch::NoGradGuard no_grad;
    layer->forward(torch::ones({1, 2}));
  }
  CHECK(counter.count == 0);
  layer->forward(torch::ones({1, 2}));
  CHECK(counter.count == 1);
  CHECK_THROWS_AS(ScopedLayerTap(counter), c10::Error);
}
