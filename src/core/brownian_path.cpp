#include "core/brownian_path.h"

#include <ATen/core/PhiloxRNGEngine.h>
#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "core/error.h"
#include "core/random.h"
#include "core/torch.h"

namespace halcyon {
namespace {

constexpr double kOctaves = 24;  // to either side of sigma = 1

/// Standard normal numbers [count, n] from pairs of uniform ones (Box and Muller 1958).
template <class T>
torch::Tensor normals(uint64_t key, int64_t first, int64_t count, uint64_t offset, int64_t n) {
  const int64_t pairs = (n + 1) / 2;
  const auto uniform = torch::empty({count, 2, pairs}, c10::CppTypeToScalarType<T>::value);
  auto* to = uniform.template data_ptr<T>();
  for (int64_t k = 0; k < count; ++k) {
    at::philox_engine engine(key, static_cast<uint64_t>(first + k), offset);
    for (int64_t i = 0; i < 2 * pairs; ++i) {
      *to++ = (static_cast<T>(engine()) + T(0.5)) * T(0x1p-32);
    }
  }
  const auto radius = (-2 * uniform.select(1, 0).log()).sqrt();
  const auto angle = 2 * std::numbers::pi * uniform.select(1, 1);
  return torch::cat({radius * angle.cos(), radius * angle.sin()}, 1).narrow(1, 0, n);
}

}  // namespace

BrownianPath::BrownianPath(uint64_t seed, int64_t first, int64_t count)
    : key_(stream_key(seed, "brownian")), first_(first), count_(count) {}

int64_t BrownianPath::place_of(double sigma) {
  const double unit = (std::log2(sigma) + kOctaves) / (2 * kOctaves);
  if (!(unit >= 0 && unit <= 1)) {
    throw ConfigError(
        fmt::format("sampler: want noise levels in 2^-24 .. 2^24, 6e-8 to 1.7e7, for the noise of "
                    "a step, got {}",
                    sigma));
  }
  return std::llround(unit * (int64_t{1} << kDepth));
}

torch::Tensor BrownianPath::normal(int64_t place, const torch::Tensor& like) const {
  const auto offset = static_cast<uint64_t>(place) << 36;  // more blocks than an image has
  const int64_t n = like.numel() / count_;
  const auto z = like.scalar_type() == torch::kFloat64
                     ? normals<double>(key_, first_, count_, offset, n)
                     : normals<float>(key_, first_, count_, offset, n);
  return z.reshape(like.sizes()).to(like.options());
}

torch::Tensor BrownianPath::value(int64_t place, const torch::Tensor& like) {
  int64_t left = 0;
  int64_t right = int64_t{1} << kDepth;
  auto at_left = torch::zeros_like(like);
  auto& end = path_[0];
  if (end.place != right) end = {right, std::sqrt(right) * normal(right, like)};
  auto at_right = end.value;
  if (place == left) return at_left;
  if (place == right) return at_right;
  for (size_t depth = 1;; ++depth) {
    const int64_t middle = (left + right) / 2;
    auto& known = path_[depth];
    if (known.place != middle) {
      const double spread = std::sqrt(static_cast<double>(right - left)) / 2;
      known = {middle, 0.5 * (at_left + at_right) + spread * normal(middle, like)};
    }
    if (place == middle) return known.value;
    if (place < middle) {
      right = middle;
      at_right = known.value;
    } else {
      left = middle;
      at_left = known.value;
    }
  }
}

torch::Tensor BrownianPath::increment(double from, double to, const torch::Tensor& like) {
  TORCH_CHECK(like.size(0) == count_, "BrownianPath of ", count_, " samples was asked for ",
              like.size(0));
  const int64_t a = place_of(from);
  const int64_t b = place_of(to);
  if (a == b) {
    throw ConfigError(
        fmt::format("sampler: the noise of a step wants levels a part in 30 000 apart, got {} and "
                    "{}; want fewer sampler.steps, or a wider sampler.sigma_min and sigma_max",
                    from, to));
  }
  return (value(b, like) - value(a, like)) / std::sqrt(static_cast<double>(std::abs(a - b)));
}

}  // namespace halcyon
