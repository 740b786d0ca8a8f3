#include <fmt/format.h>
#include <torch/torch.h>

#include "cli/bench_job.h"

namespace halcyon {
namespace {

/// Two ways to the same result: ours, and what LibTorch's own operators make of it.
struct Comparison {
  std::function<void()> ours;
  std::function<void()> composed;
};

/// A row of `halcyon bench --only kernels`.
struct KernelEntry {
  const char* name;
  Comparison (*make)(const BenchJob& job);
};

/// Gradient clipping, AdamW and one EMA: on one flat vector, and as torch::optim has it.
Comparison parameter_update(const BenchJob& job) {
  const auto bench = std::make_shared<TrainingBench>(job);
  auto& state = bench->state();
  state.parameters.gradients().normal_();
  const auto ours = [bench, step = int64_t{0}, options = job.recipe.optimizer]() mutable {
    auto& it = bench->state();
    clip_gradient(it.parameters.gradients(), options.gradient_clip);
    it.optimizer.update(it.parameters.values(), it.parameters.gradients(), options, 1e-6, ++step);
    it.emas.front().update(it.parameters.values(), 1, step);
  };
  const auto copies = std::make_shared<std::vector<torch::Tensor>>();
  const auto averages = std::make_shared<std::vector<torch::Tensor>>();
  for (const auto& parameter : state.network->parameters()) {
    copies->push_back(parameter.detach().clone().requires_grad_(true));
    copies->back().mutable_grad() = parameter.grad().clone();
    averages->push_back(parameter.detach().clone());
  }
  const auto optimizer = std::make_shared<torch::optim::AdamW>(*copies, 1e-6);
  const auto composed = [copies, averages, optimizer] {
    const torch::NoGradGuard no_grad;
    torch::nn::utils::clip_grad_norm_(*copies, 1.0);
    optimizer->step();
    for (size_t i = 0; i < copies->size(); ++i) (*averages)[i].lerp_((*copies)[i], 1e-3);
  };
  return {ours, composed};
}

/// To add a kernel: a function that makes the two ways, and a row.
const std::vector<KernelEntry>& kernel_registry() {
  static const std::vector<KernelEntry> entries = {
      {"clip, AdamW and EMA", parameter_update},
  };
  return entries;
}

}  // namespace

void bench_kernels(BenchJob& job) {
  for (const auto& entry : kernel_registry()) {
    const auto [ours, composed] = entry.make(job);
    const auto times = job.time(entry.name, {ours, composed});
    BenchRow row{.part = "kernels", .work = fmt::format("{}: ours", entry.name), .time = times[0]};
    row.ratio = times[0].seconds / times[1].seconds;
    job.rows.push_back(row);
    job.rows.push_back(
        {.part = "kernels", .work = fmt::format("{}: LibTorch's", entry.name), .time = times[1]});
  }
}

}  // namespace halcyon
