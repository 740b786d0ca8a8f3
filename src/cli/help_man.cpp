#include <fmt/format.h>

#include "cli/help_forms.h"

namespace halcyon {
namespace {

/// Text that roff prints as it stands.
std::string roff(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    const bool line_start = escaped.empty() || escaped.back() == '\n';
    if (line_start && (c == '.' || c == '\'')) escaped += "\\&";
    if (c == '-') escaped += '\\';
    escaped += c;
    if (c == '\\') escaped += 'e';
  }
  return escaped;
}

/// An argument of a macro.
std::string quoted(const std::string& text) {
  std::string doubled;
  for (const char c : roff(text)) doubled += c == '"' ? "\\(dq" : std::string(1, c);
  return '"' + doubled + '"';
}

constexpr const char* kDescription = R"(.SH DESCRIPTION
Halcyon trains score\-matching diffusion models on images, samples from them, and measures the
Fisher information of the data score at every noise level.
.PP
Every key of an INI file is also a flag,
.BI \-\-section.key " value\fR."
Defaults come first, then the file that
.B \-\-config
names, then the command line; an unknown key is an error that names the nearest one.
.BI "halcyon " "COMMAND " \-\-help
prints the keys of a command,
.B halcyon list
the samplers, models, data formats and the rest.
)";

constexpr const char* kFoot = R"(.SH FILES
A run directory holds all that a run wrote and all that is needed to repeat it:
.IR config.ini ", " environment.json ", " metrics.csv ", " fisher_levels.csv ,
.IR checkpoints/ ", " samples/ ", " plots/ " and " report.html .
.SH EXIT STATUS
.TP
.B 0
All went well.
.TP
.B 1
Something failed that the user cannot mend.
.TP
.B 2
A key, a file or the data is not as it should be; the message says what was found and what was
wanted.
.TP
.I 128+N
Signal N stopped the command; a checkpoint or the images drawn so far are kept.
)";

}  // namespace

std::string man_section(const std::string& usage, const std::vector<Option>& keys) {
  std::string text = fmt::format("{}\n", roff(usage));
  for (const auto& option : keys) {
    const auto value = option.get();
    const auto type = option.bare.empty() ? " " + option.type : "";
    text += fmt::format(".TP\n.BI {} {}\n{}.", quoted("--" + option.key), quoted(type),
                        roff(option.help));
    if (!value.empty()) text += fmt::format("\nDefault: {}.", roff(value));
    text += '\n';
  }
  return text;
}

ProgramPage man_page(const std::vector<Command>& commands) {
  auto head = fmt::format(
      ".\\\" Made by `halcyon --help=man`.\n"
      ".TH HALCYON 1 \"\" \"halcyon {}\" \"User Commands\"\n"
      ".SH NAME\n"
      "halcyon \\- score\\-matching diffusion models and the Fisher information of their data\n"
      ".SH SYNOPSIS\n"
      ".BI \"halcyon \" COMMAND\n"
      ".RB [ \\-\\-\\fIkey\\fR\n"
      ".IR value \" ...]\"\n"
      "{}.SH COMMANDS\n",
      HALCYON_VERSION, kDescription);
  for (const auto& command : commands) {
    head += fmt::format(".TP\n.B {}\n{}.\n", roff(command.name), roff(command.summary));
  }
  const auto begin = [](const Command& command) {
    return fmt::format(".SH {}\n", quoted(fmt::format("KEYS OF HALCYON {}", command.name)));
  };
  return {.head = head, .begin = begin, .foot = kFoot};
}

}  // namespace halcyon
