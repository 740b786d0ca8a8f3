#include "cli/estimate_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace halcyon {
namespace {

constexpr double kRounding =
    1e-8;  // errors below are of rounding, and no digits of theirs are shown

/// The power of ten of x > 0 once it is rounded to one digit.
int power_of_digit(double x) {
  const int power = static_cast<int>(std::floor(std::log10(x)));
  return std::round(x / std::pow(10, power)) >= 10 ? power + 1 : power;
}

}  // namespace

std::string with_error(const Estimate& estimate) {
  const double value = estimate.value, error = estimate.standard_error;
  if (estimate.count == 0) return "-";
  const bool known = std::isfinite(value) && std::isfinite(error);
  if (!known || error <= kRounding * std::abs(value)) return fmt::format("{:.6g}", value);
  const int last = power_of_digit(error);
  const auto digit = static_cast<int>(std::round(error / std::pow(10, last)));
  const double digits = std::round(std::abs(value) / std::pow(10, last));
  const int first = digits == 0 ? last : last + static_cast<int>(std::floor(std::log10(digits)));
  const int top = std::max(first, last);
  if (top >= 5 || top < -3) {
    return fmt::format("{:.{}f}({})e{:+03d}", value / std::pow(10, top), top - last, digit, top);
  }
  if (last < 0) return fmt::format("{:.{}f}({})", value, -last, digit);
  const double unit = std::pow(10, last);
  return fmt::format("{:.0f}({:.0f})", std::round(value / unit) * unit, digit * unit);
}

nlohmann::json to_json(const Estimate& estimate) {
  return {{"value", estimate.value}, {"se", estimate.standard_error}, {"n", estimate.count}};
}

std::optional<Estimate> estimate_of(const nlohmann::json& json) {
  const auto has_number = [&](const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_number();
  };
  if (!json.is_object() || !has_number("value") || !has_number("se") || !has_number("n")) return {};
  return Estimate{json["value"], json["se"], json["n"]};
}

}  // namespace halcyon
