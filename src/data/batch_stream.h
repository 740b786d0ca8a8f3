#pragma once

#include <torch/types.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "data/image_set.h"

namespace halcyon {

struct Batch {
  torch::Tensor x0;     // float32 [B, C, H, W] in model units, on the stream's device
  torch::Tensor label;  // int64 [B], or undefined where the set has none
};

/// Where the images of a stream lie: on the host, each batch made there and copied, or all on the
/// device, where batches are gathered, mirrored and brought to model units.
enum class Residence { host, device };

/// An endless stream of batches: the whole set in a new seeded order every epoch, prepared ahead
/// on another thread.  Batch k holds images k B .. k B + B - 1 of the permutations laid end to
/// end, so a batch may span epochs, none is short, and the position is the only state.
class BatchStream {
 public:
  /// `flip` mirrors each image left to right with probability 1/2, anew every epoch.  Begins with
  /// batch `first_batch`, bitwise the one that many calls of next() would have led to.  The
  /// tensors of `set` are shared, not copied, and must not be changed.  Batches for a CUDA device
  /// lie in pinned memory, from which they are copied while it works on.  Batches are bitwise the
  /// same wherever the images lie.
  BatchStream(const ImageSet& set, int64_t batch_size, bool flip, uint64_t seed,
              int64_t first_batch = 0, torch::Device device = torch::kCPU,
              Residence residence = Residence::host);
  ~BatchStream();

  /// Waits for the next batch and moves it to the device.  @throws what stopped the other thread,
  /// if anything did.
  Batch next();

  /// The number k of the batch that next() will return.
  int64_t position() const { return position_; }

 private:
  /// Order and flips of one epoch.
  struct Epoch {
    int64_t number = -1;
    torch::Tensor order;    // int64 [N]
    torch::Tensor flipped;  // uint8 [N]
  };

  /// What the other thread makes of a batch: all of it, or which images it is of.
  struct Prepared {
    Batch batch;
    torch::Tensor image;    // int64 [B], in the set
    torch::Tensor flipped;  // uint8 [B]
  };

  void prepare_batches();
  Prepared choose_images(int64_t k);
  Batch make_batch(const Prepared& chosen) const;
  Batch gather(const Prepared& chosen) const;
  void enter_epoch(int64_t number);

  torch::Tensor images_;
  torch::Tensor labels_;
  std::vector<float> model_units_;  // of each uint8 value
  int64_t batch_size_;
  bool flip_;
  uint64_t seed_;
  int64_t position_;
  torch::Device device_;
  Residence residence_;
  torch::Tensor device_units_;  // model_units_ on the device, of images that lie there
  Epoch epoch_;                 // the worker's

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Prepared> ready_;  // guarded by mutex_, as are the next two
  std::exception_ptr failure_;
  bool stopping_ = false;
  std::thread worker_;  // last, so that it starts when all else is there
};

}  // namespace halcyon
