#include "cli/stopwatch.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "core/torch.h"

namespace halcyon {
namespace {

constexpr double kLeastSeconds = 0.05;  // of a measurement

struct Sample {
  double seconds;
  double page_faults;
};

double minor_page_faults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_minflt);
}

/// The mean of `runs` runs.
Sample measure(const std::function<void()>& work, int64_t runs, torch::Device device) {
  const auto synchronise = [&] {
    if (device.is_cuda()) torch::cuda::synchronize(device.index());
  };
  synchronise();
  const double faults = minor_page_faults();
  const auto start = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < runs; ++i) work();
  synchronise();
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
  const auto count = static_cast<double>(runs);
  return {passed.count() / count, (minor_page_faults() - faults) / count};
}

/// How many runs make a measurement.  The first is slower than the rest: it does not count.  On a
/// GPU the first three are: they choose algorithms and record graphs.
int64_t runs_of_a_sample(const std::function<void()>& work, torch::Device device) {
  for (int i = 0; device.is_cuda() && i < 3; ++i) measure(work, 1, device);
  double seconds = measure(work, 1, device).seconds;
  if (seconds < kLeastSeconds) seconds = measure(work, 1, device).seconds;
  return std::clamp<int64_t>(std::llround(std::ceil(kLeastSeconds / seconds)), 1, 100000);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

Timing summarise(const std::vector<Sample>& samples) {
  std::vector<double> seconds, faults, deviations;
  for (const auto& sample : samples) {
    seconds.push_back(sample.seconds);
    faults.push_back(sample.page_faults);
  }
  const double middle = median(seconds);
  for (const double value : seconds) deviations.push_back(std::abs(value - middle));
  return {middle, median(deviations) / middle, median(faults),
          static_cast<int64_t>(samples.size())};
}

}  // namespace

std::vector<Timing> time_in_turn(const std::vector<std::function<void()>>& works,
                                 const StopwatchOptions& options) {
  std::vector<int64_t> runs;
  for (const auto& work : works) runs.push_back(runs_of_a_sample(work, options.device));
  std::vector<std::vector<Sample>> samples(works.size());
  for (int64_t round = 0; round < options.repeats; ++round) {
    for (size_t i = 0; i < works.size(); ++i) {
      samples[i].push_back(measure(works[i], runs[i], options.device));
      options.after_sample();
    }
  }
  std::vector<Timing> timings;
  for (const auto& of_work : samples) timings.push_back(summarise(of_work));
  return timings;
}

}  // namespace halcyon
