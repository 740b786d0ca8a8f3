#include "core/gaussian_mixture.h"
#include "core/random.h"
#include "models/registry.h"
#include "tests/support/catch.h"
#include "training/train_step.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

/// Two bumps in 16 dimensions.
TrainingBatch batch_of(int64_t count, at::Generator& rng) {
  const auto mean = torch::full({1, 16}, 0.8);
  const GaussianMixture toy(torch::tensor({0.5, 0.5}), torch::cat({mean, -mean}),
                            torch::full({16}, 0.05));
  return {toy.sample(count, rng).view({count, 1, 4, 4}).to(torch::kFloat32), {}};
}

struct Losses {
  double before, after;
};

/// The loss on the same images and noise before and after a few steps.
Losses trained(const PreconditioningOptions& options) {
  const auto preconditioning = make_preconditioning(options);
  LossOptions loss;
  // Most of EDM's own t is above 10, where nothing of the image can be learnt.
  loss.distribution =
      options.name == "edm" ? SigmaDistribution::lognormal : SigmaDistribution::process;
  loss.weighting = LossWeighting::network;
  const DenoisingScoreMatching objective(loss, options);
  TrainingOptions training;
  training.steps = 60;
  training.batch = 64;
  OptimizerOptions optimizer;
  optimizer.learning_rate = 3e-3;
  optimizer.warmup_steps = 0;

  ModelOptions model;
  model.name = "mlp";
  model.mlp.width = 64;
  model.mlp.depth = 2;
  torch::manual_seed(6);
  TrainingState state(make_network(model, {1, 4, 4}, 0), {}, /*seed=*/3, torch::kCPU);

  auto images_rng = make_generator(8, "held-out images");
  const auto held_out = batch_of(512, images_rng).x0;
  const auto measure = [&] {
    const torch::NoGradGuard no_grad;
    auto rng = make_generator(9, "held-out noise");
    const auto sigma = objective.draw_sigma(held_out.size(0), held_out, rng);
    PreconditionedDenoiser denoiser(*state.network, *preconditioning);
    return objective.loss(denoiser, held_out, sigma, rng).weighted.mean().item<double>();
  };
  const double before = measure();
  auto rng = make_generator(10, "training images");
  train(
      state, {training, optimizer, objective, *preconditioning},
      [&] { return batch_of(training.batch, rng); }, [](const StepReport&) { return true; });
  return {before, measure()};
}

}  // namespace

TEST_CASE("a network learns under every pair of parametrisation and process", "[training]") {
  for (const auto& entry : preconditioning_registry()) {
    for (const auto& process : entry.processes) {
      const auto [before, after] =
          trained({.name = entry.name, .sigma_data = 0.8, .noise = {.name = process}});
      INFO(entry.name << " on " << process << ": from " << before << " to " << after);
      REQUIRE(std::isfinite(after));
      REQUIRE(after < 0.8 * before);
    }
  }
}
