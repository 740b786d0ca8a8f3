#pragma once

#include <fmt/core.h>

#include <string>

#include "cli/commands.h"
#include "config/options.h"

namespace halcyon {

/// Fields that every command has beside its own.
struct CommonOptions {
  bool help = false;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.help, "help", "print this and stop");
  }
};

/// Reads `arguments` into `options`.  Returns false after printing the help that was asked for.
/// @throws ConfigError as OptionSet does, and for an argument without a key.
template <class Options>
bool parse_command_line(const char* usage, Options& options, const Arguments& arguments) {
  OptionSet set(options);
  const auto help = set.help();  // before reading: with the defaults
  const auto rest = set.read_command_line(arguments);
  if (options.common.help) {
    fmt::print("usage: {}\n{}", usage, help);
    return false;
  }
  if (!rest.empty()) {
    throw ConfigError(fmt::format("command line: unexpected '{}': want --key value", rest.front()));
  }
  return true;
}

}  // namespace halcyon
