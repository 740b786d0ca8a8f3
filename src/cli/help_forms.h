#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/help_text.h"
#include "config/options.h"

namespace halcyon {

/// What an option may be set to, where that is a choice among names; else nothing.
std::vector<std::string> known_values(const Option& option);

/// A command's part of the manual page, in man(7).
std::string man_section(const std::string& usage, const std::vector<Option>& keys);
/// Its branch of the `case` over commands, in the completion of bash and of zsh.
std::string bash_case(const std::vector<Option>& keys, const std::vector<std::string>& words);
std::string zsh_case(const std::vector<Option>& keys, const std::vector<std::string>& words);

/// A page on the whole program: head, then begin(command), its part, and end for each, then foot.
struct ProgramPage {
  std::string head;
  std::function<std::string(const Command&)> begin = nullptr;  ///< none: commands add nothing
  std::string end = {};
  std::string foot = {};
};

ProgramPage man_page(const std::vector<Command>& commands);
ProgramPage bash_page(const std::vector<Command>& commands);
ProgramPage zsh_page(const std::vector<Command>& commands);

}  // namespace halcyon
