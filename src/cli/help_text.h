#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "config/options.h"

namespace halcyon {

/// What `--help` prints: text to read, or a part of the manual page or of a shell's completion, of
/// which `halcyon --help=man` and so on print the whole.
enum class HelpForm { none, text, man, bash, zsh };

inline constexpr std::array<std::pair<HelpForm, const char*>, 5> enum_names(HelpForm) {
  return {{{HelpForm::none, "none"},
           {HelpForm::text, "text"},
           {HelpForm::man, "man"},
           {HelpForm::bash, "bash"},
           {HelpForm::zsh, "zsh"}}};
}
constexpr HelpForm bare_value(HelpForm) { return HelpForm::text; }

/// The keys of one command.  `words`: what may stand on its command line without a key.
std::string help_text(const std::string& usage, const OptionSet& keys, HelpForm form,
                      const std::vector<std::string>& words = {});

/// Prints what is true of all commands, and between head and foot what each says of itself.
void print_program_help(const std::vector<Command>& commands, HelpForm form);

}  // namespace halcyon
