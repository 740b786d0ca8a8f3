#pragma once

#include <torch/types.h>

#include <functional>
#include <memory>
#include <vector>

namespace halcyon {

/// Evaluations of a network on a GPU, recorded and replayed (CUDA graphs): an evaluation of the
/// shapes of the one before it is recorded, and those that follow are replayed.  The two shapes
/// used last are kept, each with the memory that an evaluation takes.
class RecordedForward {
 public:
  using Forward = std::function<torch::Tensor(const torch::Tensor& x, const torch::Tensor& c_noise,
                                              const torch::Tensor& label)>;

  RecordedForward();
  ~RecordedForward();

  /// `weights`: what an evaluation reads beside its arguments.  If one of them has moved in memory,
  /// it is recorded anew.
  void turn_on(std::vector<torch::Tensor> weights);
  /// As it is at first.  Forgets all recordings.
  void turn_off();

  /// Whether an evaluation of x may be replayed: turned on, on a GPU, and nothing is to be
  /// differentiated.
  bool applies(const torch::Tensor& x) const;

  /// forward(x, c_noise, label), or its replay.
  torch::Tensor run(const Forward& forward, const torch::Tensor& x, const torch::Tensor& c_noise,
                    const torch::Tensor& label);

 private:
  struct Call;
  struct Recording;

  void record(const Forward& forward, const Call& call, const torch::Tensor& x,
              const torch::Tensor& c_noise, const torch::Tensor& label);

  bool on_ = false;
  std::vector<torch::Tensor> weights_;
  std::unique_ptr<Call> last_;
  std::vector<std::unique_ptr<Recording>> recordings_;  // the one used last at the end
};

}  // namespace halcyon
