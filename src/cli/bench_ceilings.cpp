#include <fmt/format.h>

#include <algorithm>

#include "cli/bench_job.h"
#include "core/torch.h"

namespace halcyon {
namespace {

constexpr const char* kPart = "ceilings";

struct Work {
  BenchRow row;
  std::function<void()> run;
  double* ceiling;  // raised by what this reaches; nullptr: none
};

const char* text(torch::Dtype type) { return type == torch::kFloat32 ? "float32" : "bfloat16"; }

Work copy(BenchJob& job) {
  constexpr int64_t kBytes = int64_t{1} << 28;  // beyond every cache
  const auto from = torch::ones({kBytes / 4}, torch::TensorOptions(job.device));
  const auto to = torch::empty_like(from);
  BenchRow row{.part = kPart, .work = "copy of 256 MiB", .time = {}};
  row.bytes = 2.0 * kBytes;
  return {row, [from, to] { torch::Tensor(to).copy_(from); }, &job.ceilings.bytes};
}

Work matrix_product(BenchJob& job, torch::Dtype type) {
  constexpr int64_t kSide = 2048;
  const auto a = torch::randn({kSide, kSide}, job.device).to(type);
  const auto b = torch::randn({kSide, kSide}, job.device).to(type);
  BenchRow row{
      .part = kPart, .work = fmt::format("matrix product 2048, {}", text(type)), .time = {}};
  row.flops = 2.0 * kSide * kSide * kSide;
  return {row, [a, b] { torch::mm(a, b); }, nullptr};
}

/// The convolution that the networks are mostly made of: 3x3, 128 to 128 channels.
Work convolution(BenchJob& job, torch::Dtype type, torch::MemoryFormat format, bool backward) {
  constexpr int64_t kBatch = 16, kChannels = 128, kSide = 32;
  const auto tensor = [&](torch::IntArrayRef shape) {
    return torch::randn(shape, job.device).to(type).contiguous(format);
  };
  const auto x = tensor({kBatch, kChannels, kSide, kSide}).requires_grad_(backward);
  const auto weight = tensor({kChannels, kChannels, 3, 3}).requires_grad_(backward);
  const auto gradient = tensor({kBatch, kChannels, kSide, kSide});
  BenchRow row{.part = kPart, .work = {}, .time = {}};
  row.work =
      fmt::format("convolution {}, {}, {}", backward ? "and gradients" : "forward", text(type),
                  format == torch::MemoryFormat::ChannelsLast ? "channels-last" : "contiguous");
  row.flops = (backward ? 3.0 : 1.0) * 2 * kBatch * kSide * kSide * kChannels * kChannels * 9;
  const auto run = [=] {
    const auto y = torch::conv2d(x, weight, {}, /*stride=*/1, /*padding=*/1);
    if (backward) torch::autograd::grad({y}, {x, weight}, {gradient});
  };
  return {row, run, type == torch::kFloat32 ? &job.ceilings.float32 : &job.ceilings.bfloat16};
}

}  // namespace

void bench_ceilings(BenchJob& job) {
  std::vector<Work> works = {copy(job)};
  for (const auto type : {torch::kFloat32, torch::kBFloat16}) {
    works.push_back(matrix_product(job, type));
    for (const bool backward : {false, true}) {
      for (const auto format :
           {torch::MemoryFormat::Contiguous, torch::MemoryFormat::ChannelsLast}) {
        works.push_back(convolution(job, type, format, backward));
      }
    }
  }
  std::vector<std::function<void()>> runs;
  for (const auto& work : works) runs.push_back(work.run);
  const auto times = job.time(kPart, runs);
  for (size_t i = 0; i < works.size(); ++i) {
    auto& row = works[i].row;
    row.time = times[i];
    if (works[i].ceiling != nullptr) {
      const double reached = std::max(row.flops, row.bytes) / row.time.seconds;
      *works[i].ceiling = std::max(*works[i].ceiling, reached);
    }
    job.rows.push_back(row);
  }
}

}  // namespace halcyon
