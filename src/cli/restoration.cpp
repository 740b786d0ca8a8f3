#include "cli/restoration.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/torch.h"
#include "io/safetensors_writer.h"

namespace halcyon {
namespace {

/// Images first .. first + count - 1, without samples.
Restored images_of(const Restored& given, int64_t first, int64_t count) {
  const auto of = [&](const torch::Tensor& t) {
    return t.defined() ? t.narrow(0, first, count) : t;
  };
  return {of(given.truth), of(given.y), {}};
}

}  // namespace

Restoration::Restoration(RestorationOptions options, Denoiser& denoiser,
                         const LinearOperator& measure, const RestoreMethod& method,
                         std::vector<double> sigmas)
    : options_(std::move(options)),
      denoiser_(denoiser),
      measure_(measure),
      method_(method),
      sigmas_(std::move(sigmas)),
      moments_(measure) {}

double Restoration::nfe() const {
  return static_cast<double>(denoiser_.nfe()) / static_cast<double>(batches_);
}

/// [N, K, C, H, W] on the CPU; `first` is the first draw.
torch::Tensor Restoration::draws(const torch::Tensor& y, int64_t first, Progress& progress) {
  const auto repeated = y.repeat_interleave(options_.samples, 0);
  std::vector<torch::Tensor> parts;
  for (int64_t done = 0; done < repeated.size(0); done += options_.batch) {
    const auto size = std::min(options_.batch, repeated.size(0) - done);
    const auto begin = first + done;
    const auto part = repeated.narrow(0, done, size);
    parts.push_back(method_.draw(denoiser_, part, sigmas_, options_.seed, begin).cpu());
    ++batches_;
    if (!parts.back().isfinite().all().item<bool>()) {
      throw NonFiniteError(
          fmt::format("draws {} to {} of --seed {} are not finite; want more sampler.steps, or "
                      "other options of the method",
                      begin, begin + size - 1, options_.seed));
    }
    progress.update(begin + size);
  }
  return torch::cat(parts).unflatten(0, {y.size(0), options_.samples});
}

void Restoration::run(const Restored& given, torch::Device device) {
  const auto count = given.y.size(0);
  const auto like = [&](std::vector<int64_t> shape) {
    return torch::empty(shape, given.y.options().device(c10::kMeta));
  };
  auto shape = measure_.image_shape();
  shape.insert(shape.begin(), {count, options_.samples});
  TensorMap layout = {{"samples", like(shape)}, {"y", like(given.y.sizes().vec())}};
  if (given.truth.defined()) layout["truth"] = like(given.truth.sizes().vec());
  SafetensorsWriter file(options_.path, layout, options_.metadata);

  Progress progress("restoring", "draws", count * options_.samples);
  const auto group = std::max<int64_t>(1, options_.batch / options_.samples);
  std::vector<torch::Tensor> shown;
  for (int64_t first = 0; first < count; first += group) {
    const auto size = std::min(group, count - first);
    auto part = images_of(given, first, size);
    part.samples = draws(part.y.to(device), first * options_.samples, progress);
    moments_.add(part);
    file.append("samples", part.samples);
    if (first < kMostShown) {
      shown.push_back(part.samples.narrow(0, 0, std::min(size, kMostShown - first)).clone());
    }
  }
  if (given.truth.defined()) file.append("truth", given.truth);
  file.append("y", given.y);
  file.commit();
  shown_ = images_of(given, 0, std::min(count, kMostShown));
  shown_.samples = torch::cat(shown);
}

}  // namespace halcyon
