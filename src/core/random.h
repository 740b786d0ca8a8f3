#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string_view>
#include <vector>

namespace halcyon {

/// Stream `index` of the streams called `name` under `seed`.  Different names give unrelated
/// streams, and different indices below 2^32 never share one.
at::Generator make_generator(uint64_t seed, std::string_view name, int64_t index = 0,
                             torch::Device device = torch::kCPU);

/// Standard normal noise for a batch in which every sample owns a stream: sample k of a seed gets
/// the same noise whatever batch it is drawn in.
class NoiseSource {
 public:
  /// For samples first .. first + count - 1 of `seed`.
  NoiseSource(uint64_t seed, int64_t first, int64_t count, torch::Device device = torch::kCPU);

  /// n ~ N(0, I), shaped and typed as x: [count, ...].
  torch::Tensor normal_like(const torch::Tensor& x);

 private:
  std::vector<at::Generator> streams_;
};

}  // namespace halcyon
