#include <fmt/format.h>
#include <torch/nn/utils.h>
#include <torch/optim.h>

#include "cli/bench_job.h"
#include "core/torch.h"
#include "kernels/group_norm.h"

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

/// Gradient clipping, AdamW and one EMA: in one pass, and as torch::optim has it.
Comparison parameter_update(const BenchJob& job) {
  const auto bench = std::make_shared<TrainingBench>(job);
  bench->draw_gradients();
  const auto ours = [bench] { bench->update(); };
  const auto copies = std::make_shared<std::vector<torch::Tensor>>();
  const auto averages = std::make_shared<std::vector<torch::Tensor>>();
  for (const auto& slot : bench->state().parameters.slots()) {
    const auto parameter = slot.view(bench->state().parameters.values());
    copies->push_back(parameter.clone().requires_grad_(true));
    copies->back().mutable_grad() = torch::randn_like(parameter);
    averages->push_back(parameter.clone());
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

/// Group norm and SiLU with their gradients, of the activations that the networks mostly have.
Comparison norm_and_activation(const BenchJob& job) {
  const auto type = scalar_type(job.recipe.training.precision);
  const auto& o = job.recipe.model.unet;
  const auto leaf = [](const torch::Tensor& t) { return t.clone().requires_grad_(true); };
  const auto x = leaf(torch::randn({job.batch, o.channels, job.shape.height, job.shape.width})
                          .to(job.device, type)
                          .contiguous(at::MemoryFormat::ChannelsLast));
  const auto weight = leaf(torch::ones({o.channels}, job.device));
  const auto bias = leaf(torch::zeros({o.channels}, job.device));
  const auto gradient = torch::randn_like(x);
  const auto both = [=](auto norm) {
    return [=] {
      const auto y =
          norm(x, weight, bias, GroupNormTask{norm_groups(o, o.channels), o.norm_eps, true}, {});
      torch::autograd::grad({y}, {x, weight, bias}, {gradient});
    };
  };
  return {both(&group_norm), both(&group_norm_composed)};
}

/// To add a kernel: a function that makes the two ways, and a row.
const std::vector<KernelEntry>& kernel_registry() {
  static const std::vector<KernelEntry> entries = {
      {"clip, AdamW and EMA", parameter_update},
      {"group norm and SiLU", norm_and_activation},
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
