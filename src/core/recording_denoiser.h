#pragma once

#include <torch/types.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>

#include "core/denoiser.h"

namespace halcyon {

/// Keeps what the first samples of a batch are thought to be on their way: a decorator that records
/// D(x; sigma) at every noise level; of several evaluations at one level, the last.  A batch has
/// one level.
class RecordingDenoiser final : public Denoiser {
 public:
  using Levels = std::map<double, torch::Tensor, std::greater<>>;

  /// Of the first `count` samples.
  RecordingDenoiser(Denoiser& inner, int64_t count) : inner_(inner), count_(count) {}

  torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor& sigma) override {
    const auto denoised = inner_.denoise(x, sigma);
    const auto shown = denoised.detach().narrow(0, 0, std::min(count_, x.size(0)));
    levels_[sigma[0].item<double>()] =
        shown.to(torch::kCPU, torch::kFloat32, /*non_blocking=*/false,
                 /*copy=*/true);
    return denoised;
  }

  /// D by falling noise level: [count, ...] float32 on the CPU.
  const Levels& levels() const { return levels_; }

 private:
  Denoiser& inner_;
  int64_t count_;
  Levels levels_;
};

}  // namespace halcyon
