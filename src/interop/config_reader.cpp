#include "interop/config_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "core/error.h"

namespace halcyon {

using Json = nlohmann::json;

namespace {

/// `text` with null for what Python calls Infinity, -Infinity and NaN.
std::string plain_json(const std::string& text) {
  std::string plain;
  bool quoted = false;
  for (size_t i = 0; i < text.size();) {
    size_t length = 1;
    for (const std::string_view word : {"-Infinity", "Infinity", "NaN"}) {
      if (!quoted && text.compare(i, word.size(), word) == 0) length = word.size();
    }
    if (quoted && text[i] == '\\') length = std::min<size_t>(2, text.size() - i);
    if (text[i] == '"') quoted = !quoted;
    const bool word = !quoted && length > 1;
    plain += word ? "null" : text.substr(i, length);
    i += length;
  }
  return plain;
}

}  // namespace

ConfigReader::ConfigReader(const std::string& text, std::string file)
    : config_(Json::parse(plain_json(text), nullptr, /*allow_exceptions=*/false)),
      file_(std::move(file)) {
  if (config_.is_object()) return;
  throw CheckpointError(fmt::format("{}: want a JSON object of settings", file_));
}

bool ConfigReader::is_null(const std::string& key) const {
  return !names(key) || config_.at(key).is_null();
}

bool ConfigReader::is_list(const std::string& key) const {
  return names(key) && config_.at(key).is_array();
}

template <class T>
T ConfigReader::get(const std::string& key, const T& fallback, bool (Json::*fits)() const noexcept,
                    const char* wanted) {
  read_.insert(key);
  if (is_null(key)) return fallback;
  require((config_.at(key).*fits)(), key, wanted);
  return config_.at(key).get<T>();
}

template <class T>
std::vector<T> ConfigReader::list(const std::string& key, const std::vector<T>& fallback,
                                  bool (Json::*fits)() const noexcept, const char* wanted) {
  read_.insert(key);
  if (is_null(key)) return fallback;
  const auto& value = config_.at(key);
  const auto good = [&](const Json& item) { return (item.*fits)(); };
  require(value.is_array() && std::all_of(value.begin(), value.end(), good), key, wanted);
  return value.get<std::vector<T>>();
}

int64_t ConfigReader::whole(const std::string& key, int64_t fallback) {
  return get(key, fallback, &Json::is_number_integer, "a whole number");
}

double ConfigReader::number(const std::string& key, double fallback) {
  return get(key, fallback, &Json::is_number, "a number");
}

bool ConfigReader::flag(const std::string& key, bool fallback) {
  return get(key, fallback, &Json::is_boolean, "true or false");
}

std::string ConfigReader::text(const std::string& key, const std::string& fallback) {
  return get(key, fallback, &Json::is_string, "a text");
}

std::vector<int64_t> ConfigReader::wholes(const std::string& key,
                                          const std::vector<int64_t>& fallback) {
  return list(key, fallback, &Json::is_number_integer, "a list of whole numbers");
}

std::vector<double> ConfigReader::numbers(const std::string& key) {
  return list<double>(key, {}, &Json::is_number, "a list of numbers");
}

std::vector<std::string> ConfigReader::texts(const std::string& key,
                                             const std::vector<std::string>& fallback) {
  return list(key, fallback, &Json::is_string, "a list of texts");
}

void ConfigReader::require(bool good, const std::string& key, const std::string& wanted) const {
  if (!good) refuse(key, wanted);
}

void ConfigReader::refuse(const std::string& key, const std::string& wanted) const {
  // What is in the file may be no UTF-8, or long.
  constexpr size_t kMost = 200;
  auto found = names(key) ? config_.at(key).dump(-1, ' ', /*ensure_ascii=*/true,
                                                 Json::error_handler_t::replace)
                          : std::string("nothing");
  if (found.size() > kMost) found = found.substr(0, kMost) + "...";
  throw CheckpointError(fmt::format("{}: {} is {}: want {}", file_, key, found, wanted));
}

std::vector<std::string> ConfigReader::unread() const {
  std::vector<std::string> keys;
  for (const auto& [key, value] : config_.items()) {
    const bool note = !key.empty() && key.front() == '_';
    if (!note && !value.is_null() && read_.count(key) == 0) keys.push_back(key);
  }
  return keys;
}

}  // namespace halcyon
