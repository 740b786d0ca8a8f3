#include "models/registry.h"

#include "core/registry.h"

namespace halcyon {

template <class Network, auto section>
static std::shared_ptr<ScoreNetwork> make(const ModelOptions& options, const ImageShape& shape,
                                          int64_t num_classes) {
  return std::make_shared<Network>(options.*section, shape, num_classes);
}

const std::vector<ModelEntry>& model_registry() {
  static const std::vector<ModelEntry> entries = {
      {"unet", "the convolutional U-Net of Ho et al. 2020", /*bfloat16=*/true,
       make<Unet, &ModelOptions::unet>},
      {"mlp", "residual fully connected network, for toy data", /*bfloat16=*/false,
       make<Mlp, &ModelOptions::mlp>}};
  return entries;
}

std::shared_ptr<ScoreNetwork> make_network(const ModelOptions& options, const ImageShape& shape,
                                           int64_t num_classes) {
  return find_entry(model_registry(), options.name, "model.name").make(options, shape, num_classes);
}

Precision network_precision(const ModelOptions& options, Precision wanted, torch::Device device) {
  if (find_entry(model_registry(), options.name, "model.name").bfloat16) {
    return resolved(wanted, device);
  }
  if (wanted == Precision::bf16) {
    throw ConfigError("precision: bf16, but the network '" + options.name +
                      "' works in float32 only; want fp32 or auto");
  }
  return Precision::fp32;
}

}  // namespace halcyon
