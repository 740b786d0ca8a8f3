#include "data/batch_stream.h"

#include <algorithm>

#include "core/random.h"
#include "core/torch.h"

namespace halcyon {
namespace {

constexpr size_t kAhead = 3;

/// Plain loops, for a tensor operator in the worker would take the cores from training.
template <class Pixel, class Convert>
void copy_image(const Pixel* from, float* to, int64_t rows, int64_t width, bool flipped,
                const Convert& convert) {
  for (int64_t row = 0; row < rows; ++row, from += width, to += width) {
    std::transform(from, from + width, to, convert);
    if (flipped) std::reverse(to, to + width);
  }
}

}  // namespace

BatchStream::BatchStream(const ImageSet& set, int64_t batch_size, bool flip, uint64_t seed,
                         int64_t first_batch, torch::Device device, Residence residence)
    : labels_(set.labels),
      batch_size_(batch_size),
      flip_(flip),
      seed_(seed),
      position_(first_batch),
      device_(device),
      residence_(residence) {
  TORCH_CHECK(set.images.dim() == 4 && set.images.size(0) > 0,
              "BatchStream wants images [N, C, H, W], N > 0, got ", set.images.sizes());
  TORCH_CHECK(batch_size > 0 && first_batch >= 0, "BatchStream wants batch_size > 0, got ",
              batch_size, ", and first_batch >= 0, got ", first_batch);
  TORCH_CHECK(!labels_.defined() || labels_.sizes() == set.images.sizes().slice(0, 1),
              "BatchStream wants one label for each of ", set.images.size(0), " images");
  const bool pixels = set.images.scalar_type() == torch::kUInt8;
  const auto place = residence == Residence::device ? device : torch::Device(torch::kCPU);
  images_ = (pixels ? set.images : to_model_units(set.images)).to(place).contiguous();
  if (labels_.defined()) labels_ = labels_.to(place, torch::kInt64).contiguous();
  const auto table = to_model_units(torch::arange(256, torch::kUInt8));
  model_units_.assign(table.data_ptr<float>(), table.data_ptr<float>() + 256);
  device_units_ = table.to(place);
  worker_ = std::thread(&BatchStream::prepare_batches, this);
}

BatchStream::~BatchStream() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  worker_.join();
}

Batch BatchStream::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !ready_.empty() || failure_; });
  if (ready_.empty()) std::rethrow_exception(failure_);
  auto prepared = std::move(ready_.front());
  ready_.pop_front();
  ++position_;
  changed_.notify_all();
  lock.unlock();
  if (residence_ == Residence::device) return gather(prepared);
  auto& batch = prepared.batch;
  batch.x0 = batch.x0.to(device_, /*non_blocking=*/true);
  if (batch.label.defined()) batch.label = batch.label.to(device_, /*non_blocking=*/true);
  return batch;
}

void BatchStream::prepare_batches() try {
  for (int64_t k = position_;; ++k) {
    auto prepared = choose_images(k);
    if (residence_ == Residence::host) prepared.batch = make_batch(prepared);
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ready_.size() < kAhead || stopping_; });
    if (stopping_) return;
    ready_.push_back(std::move(prepared));
    changed_.notify_all();
  }
} catch (...) {
  const std::lock_guard lock(mutex_);
  failure_ = std::current_exception();
  changed_.notify_all();
}

BatchStream::Prepared BatchStream::choose_images(int64_t k) {
  const int64_t n = images_.size(0);
  const auto memory = torch::TensorOptions().pinned_memory(device_.is_cuda());
  Prepared chosen{{},
                  torch::empty({batch_size_}, memory.dtype(torch::kInt64)),
                  torch::zeros({batch_size_}, memory.dtype(torch::kUInt8))};
  for (int64_t i = 0; i < batch_size_; ++i) {
    const int64_t drawn = k * batch_size_ + i, within = drawn % n;
    enter_epoch(drawn / n);
    chosen.image.data_ptr<int64_t>()[i] = epoch_.order.data_ptr<int64_t>()[within];
    if (flip_) {
      chosen.flipped.data_ptr<uint8_t>()[i] = epoch_.flipped.data_ptr<uint8_t>()[within];
    }
  }
  return chosen;
}

Batch BatchStream::make_batch(const Prepared& chosen) const {
  const int64_t width = images_.size(3), rows = images_.size(1) * images_.size(2);
  auto shape = images_.sizes().vec();
  shape[0] = batch_size_;
  const auto memory = torch::TensorOptions().pinned_memory(device_.is_cuda());
  Batch batch{torch::empty(shape, memory.dtype(torch::kFloat32)), {}};
  if (labels_.defined()) batch.label = torch::empty({batch_size_}, memory.dtype(torch::kInt64));

  for (int64_t i = 0; i < batch_size_; ++i) {
    const int64_t image = chosen.image.data_ptr<int64_t>()[i];
    const bool flipped = chosen.flipped.data_ptr<uint8_t>()[i] != 0;
    float* to = batch.x0.data_ptr<float>() + i * rows * width;
    if (images_.scalar_type() == torch::kUInt8) {
      copy_image(images_.data_ptr<uint8_t>() + image * rows * width, to, rows, width, flipped,
                 [this](uint8_t u) { return model_units_[u]; });
    } else {
      copy_image(images_.data_ptr<float>() + image * rows * width, to, rows, width, flipped,
                 [](float x) { return x; });
    }
    if (labels_.defined()) batch.label.data_ptr<int64_t>()[i] = labels_.data_ptr<int64_t>()[image];
  }
  return batch;
}

Batch BatchStream::gather(const Prepared& chosen) const {
  const auto index = chosen.image.to(device_, /*non_blocking=*/true);
  auto x0 = images_.index_select(0, index);
  if (x0.scalar_type() == torch::kUInt8) {
    x0 = device_units_.index_select(0, x0.flatten().to(torch::kInt32)).view(x0.sizes());
  }
  if (flip_) {
    const auto flipped = chosen.flipped.to(device_, /*non_blocking=*/true).to(torch::kBool);
    x0 = torch::where(flipped.view({-1, 1, 1, 1}), x0.flip({3}), x0);
  }
  return {x0, labels_.defined() ? labels_.index_select(0, index) : torch::Tensor()};
}

void BatchStream::enter_epoch(int64_t number) {
  if (epoch_.number == number) return;
  const int64_t n = images_.size(0);
  epoch_.order = torch::randperm(n, make_generator(seed_, "shuffle", number), torch::kInt64);
  if (flip_) {
    auto rng = make_generator(seed_, "flip", number);
    epoch_.flipped = torch::randint(0, 2, {n}, rng, torch::kUInt8);
  }
  epoch_.number = number;
}

}  // namespace halcyon
