#include "training/training_state.h"

#include "core/error.h"
#include "core/random.h"
#include "core/torch.h"

namespace halcyon {
namespace {

std::shared_ptr<ScoreNetwork> moved(std::shared_ptr<ScoreNetwork> network, torch::Device device) {
  network->to(device);
  return network;
}

}  // namespace

TrainingState::TrainingState(std::shared_ptr<ScoreNetwork> the_network, const EmaOptions& ema,
                             uint64_t seed, torch::Device device,
                             const AdaptiveNoiseOptions& noise_options,
                             const std::string& optimizer_name)
    : network(moved(std::move(the_network), device)),
      parameters(*network),
      optimizer(make_optimizer(optimizer_name, *network, parameters, seed)),
      noise(noise_options),
      noise_rng(make_generator(seed, "noise", 0, device)),
      dropout_rng(make_generator(seed, "dropout", 0, device)) {
  for (const double halflife : ema.halflife_images) {
    emas.emplace_back(halflife, ema.rampup, parameters.values());
  }
  network->use_generator(dropout_rng);
}

TensorMap TrainingState::weights(const torch::Tensor& values) const {
  auto tensors = parameters.views(values);
  for (const auto& buffer : network->named_buffers()) tensors[buffer.key()] = buffer.value();
  return tensors;
}

TensorMap TrainingState::own_tensors() const {
  TensorMap tensors = noise.state();
  tensors["rng.noise"] = noise_rng.get_state();
  tensors["rng.dropout"] = dropout_rng.get_state();
  tensors["data.position"] = torch::tensor(images);
  tensors["step"] = torch::tensor(step);
  return tensors;
}

TensorMap TrainingState::training_tensors() const {
  auto tensors = own_tensors();
  tensors.merge(optimizer->tensors(parameters));
  return tensors;
}

void TrainingState::load_weights(const TensorMap& tensors, const torch::Tensor& values) {
  const torch::NoGradGuard no_grad;
  const auto own = weights(values);
  require_same_layout(tensors, own);
  for (const auto& [name, tensor] : own) torch::Tensor(tensor).copy_(tensors.at(name));
  parameters.refresh_copies();
}

void TrainingState::load_training_tensors(const TensorMap& tensors) {
  const auto own = own_tensors();
  TensorMap mine, optimisers;
  for (const auto& [name, tensor] : tensors) {
    (own.count(name) > 0 ? mine : optimisers)[name] = tensor;
  }
  require_same_layout(mine, own);
  optimizer->load(optimisers, parameters);
  noise.load(mine);
  noise_rng.set_state(mine.at("rng.noise"));
  dropout_rng.set_state(mine.at("rng.dropout"));
  images = mine.at("data.position").item<int64_t>();
  step = mine.at("step").item<int64_t>();
}

}  // namespace halcyon
