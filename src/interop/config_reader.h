#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

namespace halcyon {

/// Another program's settings, a JSON object, key by key.  A key that is missing or null has its
/// fallback.  What cannot be used is a CheckpointError that names the file, the key, its value and
/// what is wanted.
class ConfigReader {
 public:
  /// Infinity and NaN, which Python writes and JSON has no word for, are null.
  /// @throws CheckpointError unless `text` is a JSON object.
  ConfigReader(const std::string& text, std::string file);

  bool is_null(const std::string& key) const;  ///< also where the key is missing
  bool is_list(const std::string& key) const;
  bool names(const std::string& key) const { return config_.contains(key); }

  int64_t whole(const std::string& key, int64_t fallback);
  double number(const std::string& key, double fallback);
  bool flag(const std::string& key, bool fallback);
  std::string text(const std::string& key, const std::string& fallback);
  std::vector<int64_t> wholes(const std::string& key, const std::vector<int64_t>& fallback);
  std::vector<double> numbers(const std::string& key);
  std::vector<std::string> texts(const std::string& key, const std::vector<std::string>& fallback);

  /// Refuses the value of `key` unless `good`.
  void require(bool good, const std::string& key, const std::string& wanted) const;
  [[noreturn]] void refuse(const std::string& key, const std::string& wanted) const;

  /// `key` may have any value: nothing depends on it.
  void ignore(const std::string& key) { read_.insert(key); }
  /// The keys with a value that were neither read nor ignored; not those with an underscore first.
  std::vector<std::string> unread() const;

 private:
  template <class T>
  T get(const std::string& key, const T& fallback, bool (nlohmann::json::*fits)() const noexcept,
        const char* wanted);
  template <class T>
  std::vector<T> list(const std::string& key, const std::vector<T>& fallback,
                      bool (nlohmann::json::*fits)() const noexcept, const char* wanted);

  nlohmann::json config_;
  std::string file_;
  std::set<std::string> read_;
};

}  // namespace halcyon
