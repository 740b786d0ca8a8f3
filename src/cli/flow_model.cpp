#include "cli/flow_model.h"

#include "cli/data_loading.h"
#include "cli/machine.h"
#include "core/torch.h"

namespace halcyon {

FlowModel load_flow(const FlowOptions& options, const MachineOptions& machine) {
  const auto device = set_up_machine(machine);
  auto model = load_with_warnings(options.checkpoint, options.weights, options.label, device);
  const auto low = options.sigma_min == 0 ? model.range.sigma_min : options.sigma_min;
  const auto high = options.sigma_max == 0 ? model.range.sigma_max : options.sigma_max;
  const FlowCode code(low, high, options.tolerance);
  return {std::move(model), device, code};
}

}  // namespace halcyon
