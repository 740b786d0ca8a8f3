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
      {"unet", "the convolutional U-Net of Ho et al. 2020", make<Unet, &ModelOptions::unet>},
      {"mlp", "residual fully connected network, for toy data", make<Mlp, &ModelOptions::mlp>}};
  return entries;
}

std::shared_ptr<ScoreNetwork> make_network(const ModelOptions& options, const ImageShape& shape,
                                           int64_t num_classes) {
  return find_entry(model_registry(), options.name, "model.name").make(options, shape, num_classes);
}

}  // namespace halcyon
