#include "training/recorded_gradient.h"

#include "core/torch.h"
#include "kernels/cuda/recorded_work.h"

namespace halcyon {
namespace {

/// What a recording reads from or writes to memory that must stay where it is.
std::vector<const void*> addresses(const FlatParameters& parameters) {
  std::vector<const void*> found;
  for (const auto& slot : parameters.slots()) found.push_back(slot.parameter.data_ptr());
  return found;
}

std::vector<torch::Tensor*> inputs(DrawnBatch& batch) {
  return {&batch.x0, &batch.label, &batch.quantile, &batch.sigma, &batch.weight};
}

DrawnBatch clone(DrawnBatch batch) {
  for (auto* tensor : inputs(batch)) {
    if (tensor->defined()) *tensor = tensor->clone();
  }
  return batch;
}

bool same_shape(DrawnBatch a, DrawnBatch b) {
  return a.x0.sizes() == b.x0.sizes() && a.label.defined() == b.label.defined();
}

void copy(DrawnBatch from, DrawnBatch to) {
  const auto source = inputs(from);
  const auto target = inputs(to);
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i]->defined()) target[i]->copy_(*source[i]);
  }
}

DenoisingLoss clone(const DenoisingLoss& loss) {
  return {loss.sigma.clone(), loss.error.clone(), loss.weighted.clone(), loss.noise.clone(),
          loss.denoised.clone()};
}

}  // namespace

struct RecordedGradient::Recording {
  DrawnBatch batch;
  std::vector<const void*> weights;
  DenoisingLoss loss;
  std::vector<torch::Tensor> gradients;
  torch::Tensor collected;
  std::function<void()> replay;
};

RecordedGradient::RecordedGradient()
    : RecordedGradient([](torch::Device device, const std::function<void()>& work,
                          const Generators& rngs) -> std::function<void()> {
        auto recorded = std::make_shared<cuda::RecordedWork>(device, work, rngs);
        return [recorded] { recorded->replay(); };
      }) {}

RecordedGradient::RecordedGradient(Recorder recorder) : recorder_(std::move(recorder)) {}
RecordedGradient::~RecordedGradient() = default;

void RecordedGradient::record(const Gradient& gradient, FlatParameters& parameters,
                              const DrawnBatch& batch, const Generators& rngs) {
  recording_.reset();  // its memory first
  auto fresh = std::make_unique<Recording>();
  fresh->batch = clone(batch);
  fresh->weights = addresses(parameters);
  fresh->replay = recorder_(
      batch.x0.device(),
      [gradient, &parameters, recording = fresh.get()] {
        parameters.clear_gradients();
        recording->loss = gradient(recording->batch);
      },
      rngs);
  for (const auto& slot : parameters.slots()) fresh->gradients.push_back(slot.parameter.grad());
  fresh->collected = parameters.collected();
  recording_ = std::move(fresh);
}

DenoisingLoss RecordedGradient::run(const Gradient& gradient, FlatParameters& parameters,
                                    const DrawnBatch& batch, const Generators& rngs) {
  const bool fits = recording_ && same_shape(recording_->batch, batch) &&
                    recording_->weights == addresses(parameters);
  if (!fits) record(gradient, parameters, batch, rngs);
  copy(batch, recording_->batch);
  recording_->replay();
  parameters.set_gradients(recording_->gradients, recording_->collected);
  return clone(recording_->loss);
}

}  // namespace halcyon
