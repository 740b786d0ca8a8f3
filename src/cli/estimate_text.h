#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "fisher/sample_moments.h"

namespace halcyon {

/// The value, and in brackets its standard error in units of the last digit: 0.8543(3), 20620(60),
/// 2.55(3)e+05; "-" where nothing was measured.
std::string with_error(const Estimate& estimate);

/// {"value", "se", "n"}.
nlohmann::json to_json(const Estimate& estimate);

/// The inverse; nothing for any other JSON.
std::optional<Estimate> estimate_of(const nlohmann::json& json);

}  // namespace halcyon
