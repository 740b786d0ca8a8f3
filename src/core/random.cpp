#include "core/random.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>

#include "core/torch.h"

namespace halcyon {
namespace {

/// FNV-1a over the bytes of `name`, started from `seed`.
uint64_t hash(uint64_t seed, std::string_view name) {
  uint64_t h = 14695981039346656037ULL ^ (seed * 0x9E3779B97F4A7C15ULL);
  for (const unsigned char c : name) h = (h ^ c) * 1099511628211ULL;
  return h ^ (h >> 32);
}

}  // namespace

uint64_t stream_key(uint64_t seed, std::string_view name) { return hash(seed, name); }

at::Generator make_generator(uint64_t seed, std::string_view name, int64_t index,
                             torch::Device device) {
  auto generator = device.is_cpu() ? at::make_generator<at::CPUGeneratorImpl>()
                                   : at::globalContext().defaultGenerator(device).clone();
  // The CPU engine keeps the low 32 bits of a seed: adding the index keeps streams apart.
  generator.set_current_seed((hash(seed, name) + static_cast<uint64_t>(index)) & 0xFFFFFFFFULL);
  return generator;
}

NoiseSource::NoiseSource(uint64_t seed, int64_t first, int64_t count, torch::Device device)
    : path_(seed, first, count) {
  for (int64_t i = 0; i < count; ++i) {
    streams_.push_back(make_generator(seed, "sample", first + i, device));
  }
}

torch::Tensor NoiseSource::normal_like(const torch::Tensor& x) {
  TORCH_CHECK(x.size(0) == static_cast<int64_t>(streams_.size()), "NoiseSource for ",
              streams_.size(), " samples was asked for ", x.size(0));
  auto noise = torch::empty_like(x, torch::MemoryFormat::Contiguous);
  for (size_t i = 0; i < streams_.size(); ++i)
    noise[static_cast<int64_t>(i)].normal_(0, 1, streams_[i]);
  return noise;
}

torch::Tensor NoiseSource::normal_between(const torch::Tensor& x, double from, double to) {
  return path_.increment(from, to, x);
}

torch::Tensor NoiseSource::uniform(torch::TensorOptions options) {
  const auto count = static_cast<int64_t>(streams_.size());
  auto u = torch::empty({count}, options);
  for (int64_t k = 0; k < count; ++k) u[k].uniform_(0, 1, streams_[static_cast<size_t>(k)]);
  return u;
}

}  // namespace halcyon
