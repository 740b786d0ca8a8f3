#include "cli/batch_choice.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "core/torch.h"

namespace halcyon {
namespace {

constexpr int64_t kAllAtOnce = 64;
constexpr int64_t kSmallest = 16;
constexpr int64_t kGrowth = 4;
constexpr int64_t kLargest = 4096;   // memory stays small whatever the count
constexpr double kLeastGain = 0.05;  // share of the time per image
constexpr double kLeastSeconds = 0.02;

/// The time of one evaluation: the least of several if they are short.
double evaluation_seconds(Denoiser& denoiser, const torch::Tensor& x, const torch::Tensor& sigma) {
  const auto seconds = [&] {
    const auto start = std::chrono::steady_clock::now();
    // Reading a number waits for the device.
    denoiser.denoise(x, sigma).flatten()[0].item<float>();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  seconds();  // warms up
  double least = std::numeric_limits<double>::infinity();
  for (double passed = 0; passed < kLeastSeconds;) {
    const double now = seconds();
    least = std::min(least, now);
    passed += now;
  }
  return least;
}

}  // namespace

int64_t fast_batch(int64_t count, const std::function<double(int64_t)>& seconds_of) {
  if (count <= kAllAtOnce) return count;
  const auto per_image = [&](int64_t n) { return seconds_of(n) / static_cast<double>(n); };
  int64_t batch = kSmallest;
  double time = per_image(batch);
  for (auto next = batch * kGrowth; next <= std::min(count, kLargest); next *= kGrowth) {
    const double next_time = per_image(next);
    if (!(next_time < (1 - kLeastGain) * time)) break;
    batch = next;
    time = next_time;
  }
  return batch;
}

int64_t measured_batch(int64_t count, Denoiser& denoiser, const std::vector<int64_t>& shape,
                       torch::Device device) {
  const torch::NoGradGuard no_grad;
  return fast_batch(count, [&](int64_t images) {
    auto sizes = shape;
    sizes.insert(sizes.begin(), images);
    try {
      return evaluation_seconds(denoiser, torch::full(sizes, 0.5, device),
                                torch::ones({images}, device));
    } catch (const std::bad_alloc&) {
    } catch (const c10::Error& error) {
      const std::string_view what = error.what_without_backtrace();
      if (what.find("memory") == what.npos) throw;
    }
    return std::numeric_limits<double>::infinity();
  });
}

}  // namespace halcyon
