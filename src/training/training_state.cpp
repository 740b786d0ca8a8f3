#include "training/training_state.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <sstream>

#include "core/error.h"
#include "core/random.h"
#include "core/registry.h"

namespace halcyon {
namespace {

std::string layout_of(const torch::Tensor& tensor) {
  std::ostringstream text;
  text << tensor.scalar_type() << ' ' << tensor.sizes();
  return text.str();
}

std::vector<std::string> names_of(const TensorMap& tensors) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  return names;
}

std::shared_ptr<ScoreNetwork> moved(std::shared_ptr<ScoreNetwork> network, torch::Device device) {
  network->to(device);
  return network;
}

}  // namespace

void require_same_layout(const TensorMap& found, const TensorMap& expected) {
  for (const auto& [name, tensor] : expected) {
    const auto it = found.find(name);
    if (it == found.end()) {
      throw CheckpointError(fmt::format(
          "tensor '{}' is missing: want {}{}", name, layout_of(tensor),
          found.empty() ? std::string()
                        : "; nearest is '" + nearest_name(name, names_of(found)) + "'"));
    }
    if (it->second.sizes() != tensor.sizes() || it->second.scalar_type() != tensor.scalar_type()) {
      throw CheckpointError(fmt::format("tensor '{}': want {}, got {}", name, layout_of(tensor),
                                        layout_of(it->second)));
    }
  }
  for (const auto& [name, tensor] : found) {
    if (expected.count(name) == 0) {
      throw CheckpointError(fmt::format("unknown tensor '{}' ({}): the model has none of that name",
                                        name, layout_of(tensor)));
    }
  }
}

TrainingState::TrainingState(std::shared_ptr<ScoreNetwork> the_network, const EmaOptions& ema,
                             uint64_t seed, torch::Device device,
                             const AdaptiveNoiseOptions& noise_options)
    : network(moved(std::move(the_network), device)),
      parameters(*network),
      optimizer(parameters.values()),
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

TensorMap TrainingState::training_tensors() const {
  TensorMap tensors;
  for (const auto& [name, view] : parameters.views(optimizer.mean)) tensors["mean." + name] = view;
  for (const auto& [name, view] : parameters.views(optimizer.square)) {
    tensors["square." + name] = view;
  }
  tensors["rng.noise"] = noise_rng.get_state();
  tensors["rng.dropout"] = dropout_rng.get_state();
  tensors["data.position"] = torch::tensor(images);
  tensors["step"] = torch::tensor(step);
  tensors.merge(noise.state());
  return tensors;
}

void TrainingState::load_weights(const TensorMap& tensors, const torch::Tensor& values) {
  const torch::NoGradGuard no_grad;
  const auto own = weights(values);
  require_same_layout(tensors, own);
  for (const auto& [name, tensor] : own) torch::Tensor(tensor).copy_(tensors.at(name));
}

void TrainingState::load_training_tensors(const TensorMap& tensors) {
  const torch::NoGradGuard no_grad;
  const auto own = training_tensors();
  require_same_layout(tensors, own);
  for (const auto& [name, tensor] : own) torch::Tensor(tensor).copy_(tensors.at(name));
  noise.load(tensors);
  noise_rng.set_state(tensors.at("rng.noise"));
  dropout_rng.set_state(tensors.at("rng.dropout"));
  images = tensors.at("data.position").item<int64_t>();
  step = tensors.at("step").item<int64_t>();
}

}  // namespace halcyon
