#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "cli/sample_options.h"
#include "cli/sample_stream.h"

namespace halcyon {

/// The noise levels that the images go down.
std::vector<double> sample_grid_levels(const SampleCommand& command, const Model& model);

/// All that the images depend on, so that a stopped run goes on only as it began.
nlohmann::ordered_json sample_identity(SampleCommand& command, const Steered& steered);

/// What samples.json tells.
nlohmann::ordered_json sample_summary(const SampleCommand& command, const Model& model,
                                      const SampleStream& stream);

}  // namespace halcyon
