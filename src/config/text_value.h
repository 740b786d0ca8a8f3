#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/error.h"

namespace halcyon {

// Option values as text and back.  Kinds: string, bool, whole and real numbers, enums with an
// enum_names() table beside them, and comma-separated lists of these.

template <class T>
concept NamedEnum = std::is_enum_v<T> && requires(T value) {
  enum_names(value);
};

template <class T>
struct IsList : std::false_type {};
template <class T>
struct IsList<std::vector<T>> : std::true_type {};

/// The shortest text that reads back as `value`, so that a written config is the config.
template <class T>
std::string to_text(const T& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    return value;
  } else if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (NamedEnum<T>) {
    for (const auto& [known, name] : enum_names(value)) {
      if (known == value) return name;
    }
    return "?";
  } else if constexpr (IsList<T>::value) {
    std::string text;
    for (const auto& item : value) {
      if (!text.empty()) text += ',';
      text += to_text(item);
    }
    return text;
  } else {
    char buffer[32];
    return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
  }
}

/// What values of T look like, for help and errors.
template <class T>
std::string describe_type() {
  if constexpr (std::is_same_v<T, std::string>) {
    return "text";
  } else if constexpr (std::is_same_v<T, bool>) {
    return "true or false";
  } else if constexpr (NamedEnum<T>) {
    std::string names;
    for (const auto& [value, name] : enum_names(T{})) {
      if (!names.empty()) names += '|';
      names += name;
    }
    return names;
  } else if constexpr (IsList<T>::value) {
    return describe_type<typename T::value_type>() + " list, comma-separated";
  } else {
    return std::integral<T> ? (std::is_signed_v<T> ? "whole number" : "whole number >= 0")
                            : "number";
  }
}

/// Reads all of `text` as a T.  @throws ConfigError if it is none; the caller says where it stood.
template <class T>
T from_text(const std::string& text) {
  const auto refuse = [&]() -> T {
    throw ConfigError("'" + text + "' is no " + describe_type<T>());
  };
  if constexpr (std::is_same_v<T, std::string>) {
    return text;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (text == "true" || text == "1" || text == "yes" || text == "on") return true;
    if (text == "false" || text == "0" || text == "no" || text == "off") return false;
    return refuse();
  } else if constexpr (NamedEnum<T>) {
    for (const auto& [value, name] : enum_names(T{})) {
      if (text == name) return value;
    }
    return refuse();
  } else if constexpr (IsList<T>::value) {
    T list;
    for (size_t begin = 0; begin <= text.size() && !text.empty();) {
      const size_t end = std::min(text.find(',', begin), text.size());
      const size_t first = std::min(text.find_first_not_of(' ', begin), end);
      list.push_back(from_text<typename T::value_type>(text.substr(first, end - first)));
      begin = end + 1;
    }
    return list;
  } else {
    T value{};
    const char* end = text.data() + text.size();
    const auto result = std::from_chars(text.data(), end, value);
    return result.ec == std::errc() && result.ptr == end ? value : refuse();
  }
}

}  // namespace halcyon
