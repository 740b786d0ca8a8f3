#pragma once

#include <functional>
#include <string>
#include <vector>

#include "config/text_value.h"

namespace halcyon {

/// What `--key` alone means where a T is to be set: of an enum, what its bare_value() says.
template <class T>
std::string bare_text() {
  if constexpr (std::is_same_v<T, bool>) return "true";
  if constexpr (requires { bare_value(T{}); }) return to_text(bare_value(T{}));
  return "";
}

/// One key of an options struct, by reference: reading and writing it goes to the struct.
struct Option {
  std::string key;   ///< "section.name", or "name" outside sections
  std::string help;  ///< one line
  std::string type;  ///< as describe_type() puts it
  std::string bare;  ///< what `--key` alone means; empty: it wants a value
  std::function<std::string()> get;
  std::function<void(const std::string&)> set;  ///< throws ConfigError without the key
};

/// The keys of an options struct, from its one list of fields: what the INI file, the command line,
/// --help and the resolved config of a run all follow.
///
/// A struct lists its values in `fields(self, field)` and its parts in `sections(self, section)`;
/// it may have either or both.  The struct must outlive this view of it.
class OptionSet {
 public:
  template <class Options>
  explicit OptionSet(Options& options) {
    collect(options, "");
  }

  /// Reads an INI file; keys that it does not name keep their values.
  /// @throws ConfigError naming the file and the key if the file is missing or malformed, a key is
  /// unknown (with the nearest one) or given twice, or a value is not of its type.
  void read_ini_file(const std::string& path);
  /// The same from a string; `origin` stands for the file in messages.
  void read_ini(const std::string& text, const std::string& origin);

  /// Reads `--key value`, `--key=value` and switches, with hyphens for the underscores of a key or
  /// not; the last of equal keys counts.  Returns what is left: the arguments without a key.
  /// @throws ConfigError as read_ini_file().
  std::vector<std::string> read_command_line(const std::vector<std::string>& arguments);

  /// An INI file that reads back to equal options.  @throws ConfigError for a value that an INI
  /// file cannot hold: '#', line breaks or spaces at its ends.
  std::string to_ini() const;

  /// A line a key: its name, its type, its present value and its help, by section.
  std::string help() const;

  const std::vector<Option>& options() const { return options_; }
  /// @throws ConfigError for an unknown key, naming the nearest one, or a value not of its type.
  void set(const std::string& key, const std::string& value, const std::string& origin);

 private:
  std::string with_underscores(const std::string& argument) const;
  template <class Options>
  void collect(Options& options, const std::string& prefix) {
    if constexpr (requires { Options::fields(options, [](auto&, const char*, const char*) {}); }) {
      Options::fields(options, [&](auto& value, const char* name, const char* help) {
        using T = std::decay_t<decltype(value)>;
        options_.push_back({prefix + name, help, describe_type<T>(), bare_text<T>(),
                            [&value] { return to_text(value); },
                            [&value](const std::string& text) { value = from_text<T>(text); }});
      });
    }
    if constexpr (requires { Options::sections(options, [](const char*, auto&) {}); }) {
      Options::sections(options, [&](const char* name, auto& part) {
        collect(part, *name == '\0' ? prefix : prefix + name + ".");
      });
    }
  }

  const Option& find(const std::string& key, const std::string& origin) const;

  std::vector<Option> options_;
};

}  // namespace halcyon
