#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/brownian_path.h"

namespace halcyon {

/// Stream `index` of the streams called `name` under `seed`.  Different names give unrelated
/// streams, and different indices below 2^32 never share one.
at::Generator make_generator(uint64_t seed, std::string_view name, int64_t index = 0,
                             torch::Device device = torch::kCPU);

/// The key of counter-based streams: the same differences of names and seeds as above.
uint64_t stream_key(uint64_t seed, std::string_view name);

/// Random numbers for a batch in which every sample owns its streams: sample k of a seed gets the
/// same ones whatever batch it is drawn in.
class NoiseSource {
 public:
  /// For samples first .. first + count - 1 of `seed`.
  NoiseSource(uint64_t seed, int64_t first, int64_t count, torch::Device device = torch::kCPU);
  virtual ~NoiseSource() = default;

  /// The next n ~ N(0, I), shaped and typed as x: [count, ...].
  virtual torch::Tensor normal_like(const torch::Tensor& x);

  /// n ~ N(0, I) of the step from one noise level to a lower one, > 0: that of the sample's
  /// Brownian path, so that a finer grid of noise levels keeps to it.
  virtual torch::Tensor normal_between(const torch::Tensor& x, double from, double to);

  /// The next u ~ U(0, 1) of every sample: [count].
  torch::Tensor uniform(torch::TensorOptions options);

 private:
  std::vector<at::Generator> streams_;
  BrownianPath path_;
};

}  // namespace halcyon
