#pragma once

#include <fmt/core.h>

#include <string>

#include "cli/commands.h"
#include "cli/help_text.h"
#include "config/options.h"

namespace halcyon {

/// Fields that every command has beside its own.
struct CommonOptions {
  HelpForm help = HelpForm::none;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.help, "help", "print this and stop; `halcyon --help=man` is the manual page");
  }
};

/// Reads `arguments` into `options`; what stands there without a key goes to `rest`.  Returns false
/// after printing the help that was asked for; `words` as in help_text().
/// @throws ConfigError as OptionSet does.
template <class Options>
bool parse_command_line(const char* usage, Options& options, const Arguments& arguments,
                        Arguments& rest, const std::vector<std::string>& words = {}) {
  auto defaults = options;
  rest = OptionSet(options).read_command_line(arguments);
  if (options.common.help == HelpForm::none) return true;
  fmt::print("{}", help_text(usage, OptionSet(defaults), options.common.help, words));
  return false;
}

/// The same of a command that wants keys only.  @throws ConfigError for an argument without one.
template <class Options>
bool parse_command_line(const char* usage, Options& options, const Arguments& arguments) {
  Arguments rest;
  if (!parse_command_line(usage, options, arguments, rest)) return false;
  if (!rest.empty()) {
    throw ConfigError(fmt::format("command line: unexpected '{}': want --key value", rest.front()));
  }
  return true;
}

}  // namespace halcyon
