#include "models/registry.h"

#include <fmt/format.h>

#include "core/error.h"

namespace halcyon {

template <class Network, auto section>
static std::shared_ptr<ScoreNetwork> make(const ModelOptions& options, const ImageShape& shape,
                                          int64_t num_classes) {
  return std::make_shared<Network>(options.*section, shape, num_classes);
}

const std::vector<ModelEntry>& model_registry() {
  static const std::vector<ModelEntry> entries = {
      {"unet", "the convolutional U-Net of Ho et al. 2020", make<Unet, &ModelOptions::unet>},
      {"mlp", "residual fully connected network, for toy data", make<Mlp, &ModelOptions::mlp>}};
  return entries;
}

std::shared_ptr<ScoreNetwork> make_network(const ModelOptions& options, const ImageShape& shape,
                                           int64_t num_classes) {
  std::string known;
  for (const auto& entry : model_registry()) {
    if (options.name == entry.name) return entry.make(options, shape, num_classes);
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
  }
  throw ConfigError(
      fmt::format("model.name: unknown model '{}', must be one of {}", options.name, known));
}

}  // namespace halcyon
