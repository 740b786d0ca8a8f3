#include "models/layers/recorded_forward.h"

#include <algorithm>
#include <optional>

#include "core/torch.h"
#include "kernels/cuda/recorded_work.h"

namespace halcyon {

constexpr size_t kMostRecordings = 2;

/// What two evaluations must share for one to be the other's replay.
struct RecordedForward::Call {
  std::vector<int64_t> shape;
  at::ScalarType type;
  torch::Device device;
  bool labelled;
  std::vector<const void*> weights;

  bool operator==(const Call&) const = default;
};

struct RecordedForward::Recording {
  Call call;
  torch::Tensor x, c_noise, label, output;
  std::optional<cuda::RecordedWork> work;
};

RecordedForward::RecordedForward() = default;
RecordedForward::~RecordedForward() = default;

void RecordedForward::turn_on(std::vector<torch::Tensor> weights) {
  turn_off();
  on_ = true;
  weights_ = std::move(weights);
}

void RecordedForward::turn_off() {
  on_ = false;
  weights_.clear();
  last_.reset();
  recordings_.clear();
}

bool RecordedForward::applies(const torch::Tensor& x) const {
  return on_ && x.is_cuda() && !at::GradMode::is_enabled() && !x._fw_grad(/*level=*/0).defined();
}

void RecordedForward::record(const Forward& forward, const Call& call, const torch::Tensor& x,
                             const torch::Tensor& c_noise, const torch::Tensor& label) {
  if (recordings_.size() == kMostRecordings) recordings_.erase(recordings_.begin());
  auto fresh = std::make_unique<Recording>(
      Recording{call, x.clone(), c_noise.clone(), label.defined() ? label.clone() : label, {}, {}});
  auto& r = *fresh;
  r.work.emplace(x.device(), [&] { r.output = forward(r.x, r.c_noise, r.label); });
  recordings_.push_back(std::move(fresh));
}

torch::Tensor RecordedForward::run(const Forward& forward, const torch::Tensor& x,
                                   const torch::Tensor& c_noise, const torch::Tensor& label) {
  Call call = {x.sizes().vec(), x.scalar_type(), x.device(), label.defined(), {}};
  for (const auto& weight : weights_) call.weights.push_back(weight.data_ptr());
  const auto found = std::find_if(recordings_.begin(), recordings_.end(),
                                  [&](const auto& recording) { return recording->call == call; });
  if (found != recordings_.end()) {
    std::rotate(found, found + 1, recordings_.end());
  } else {
    const bool again = last_ != nullptr && *last_ == call;
    last_ = std::make_unique<Call>(call);
    if (!again) return forward(x, c_noise, label);
    record(forward, call, x, c_noise, label);
  }
  auto& recording = *recordings_.back();
  recording.x.copy_(x);
  recording.c_noise.copy_(c_noise);
  if (label.defined()) recording.label.copy_(label);
  recording.work->replay();
  return recording.output.clone();
}

}  // namespace halcyon
