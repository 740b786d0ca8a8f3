// What the diagnostics cost beside the network they watch: medians of alternated runs.
//
//   fisher_cost [repetitions]
//
// 1. the free estimates of a training batch, as a share of the training step
// 2. a level of the Fisher curve, in units of the forward and reverse passes that it needs
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include "core/preconditioning.h"
#include "core/random.h"
#include "core/torch.h"
#include "fisher/fisher_level.h"
#include "fisher/sigma_bins.h"
#include "models/registry.h"
#include "training/train_step.h"

using namespace halcyon;

namespace {

constexpr int64_t kBatch = 32;

double seconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// The network of configs/fashion_mnist.ini.
ModelOptions fashion_mnist_network() {
  ModelOptions options;
  options.unet.channels = 32;
  options.unet.channel_mult = {1, 2};
  options.unet.blocks = 2;
  options.unet.attention_resolutions = {7};
  options.unet.norm_groups = 8;
  options.unet.patch = 2;
  return options;
}

void free_estimates(int repetitions) {
  PreconditioningOptions preconditioning_options{.name = "edm", .sigma_data = 0.5};
  const auto preconditioning = make_preconditioning(preconditioning_options);
  const DenoisingScoreMatching objective({}, preconditioning_options);
  TrainingState state(make_network(fashion_mnist_network(), {1, 28, 28}, 0), {}, /*seed=*/1,
                      torch::kCPU);
  TrainingOptions training;
  training.batch = kBatch;
  const TrainingTask task{training, {}, objective, *preconditioning};
  SigmaBins bins(0.01, 50, 12, 28 * 28);
  const TrainingBatch batch{torch::randn({kBatch, 1, 28, 28}), {}};
  std::vector<double> steps, shares;
  for (int i = 0; i < repetitions; ++i) {
    StepReport report;
    steps.push_back(seconds([&] { report = train_step(state, task, batch); }));
    const double free = seconds([&] {
      bins.add({report.x0, report.loss.noise, report.loss.sigma, report.loss.denoised});
    });
    shares.push_back(free / steps.back());
  }
  fmt::print("training step {:.1f} ms; free estimates {:.2f} % of it\n", 1000 * median(steps),
             100 * median(shares));
}

void fisher_level(int repetitions) {
  const auto network = make_network(fashion_mnist_network(), {1, 28, 28}, 0);
  network->eval();
  const auto preconditioning = make_preconditioning({.name = "edm", .sigma_data = 0.5});
  PreconditionedDenoiser denoiser(*network, *preconditioning);
  auto rng = make_generator(1, "benchmark");
  const auto x0 = torch::randn({64, 1, 28, 28}, rng);
  const auto noise = torch::randn_like(x0);
  const auto sigma = torch::ones({64});
  const auto bare = [&] {
    const auto x = (x0 + noise).requires_grad_(true);
    const auto denoised = denoiser.denoise(x, sigma);
    torch::autograd::grad({denoised}, {x}, {noise});
  };
  std::vector<double> passes, ratios;
  for (int i = 0; i < repetitions; ++i) {
    FisherLevel level(1, 28 * 28, /*probes=*/1);
    passes.push_back(seconds(bare));
    ratios.push_back(seconds([&] { level.add(denoiser, x0, noise, rng); }) / passes.back());
  }
  fmt::print("forward and reverse pass of 64 images {:.1f} ms; a level costs {:.3f} of it\n",
             1000 * median(passes), median(ratios));
}

}  // namespace

int main(int argc, char** argv) {
  at::set_num_threads(static_cast<int>(std::max(1U, std::thread::hardware_concurrency())));
  const int repetitions = argc > 1 ? std::stoi(argv[1]) : 50;
  free_estimates(repetitions);
  fisher_level(repetitions);
  return 0;
}
