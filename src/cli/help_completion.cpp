#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/help_forms.h"

namespace halcyon {
namespace {

/// Within single quotes of a shell.
std::string shell(const std::string& text) {
  std::string escaped;
  for (const char c : text) escaped += c == '\'' ? "'\\''" : std::string(1, c);
  return escaped;
}

std::vector<std::string> names(const std::vector<Command>& commands) {
  std::vector<std::string> all;
  for (const auto& command : commands) all.emplace_back(command.name);
  return all;
}

/// An explanation within [ ] of _arguments.
std::string explained(const std::string& text) {
  std::string escaped;
  for (const char c : shell(text)) {
    if (c == '[' || c == ']' || c == ':') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

constexpr const char* kBashHead = R"(# Completion of halcyon in bash, made by `halcyon --help=bash`.
_halcyon() {
  local current=${COMP_WORDS[COMP_CWORD]} key=${COMP_WORDS[COMP_CWORD - 1]}
  local keys='' values='' words=''
  if [[ $current == = ]]; then
    current=''
  elif [[ $key == = ]]; then
    key=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  COMPREPLY=()
)";

constexpr const char* kBashFoot = R"(  esac
  if [[ -n $values ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$values" -- "$current")
  elif [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$keys" -- "$current")
  elif [[ $key != -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  fi
}
complete -o default -F _halcyon halcyon
)";

}  // namespace

std::string bash_case(const std::vector<Option>& keys, const std::vector<std::string>& words) {
  std::string flags;
  std::string values;
  for (const auto& option : keys) {
    flags += fmt::format("{}--{}", flags.empty() ? "" : " ", option.key);
    const auto known = known_values(option);
    if (known.empty() || !option.bare.empty()) continue;
    values += fmt::format("        --{}) values='{}' ;;\n", option.key,
                          shell(fmt::format("{}", fmt::join(known, " "))));
  }
  auto text = fmt::format("      keys='{}'\n      words='{}'\n", shell(flags),
                          shell(fmt::format("{}", fmt::join(words, " "))));
  if (!values.empty()) text += fmt::format("      case $key in\n{}      esac\n", values);
  return text;
}

ProgramPage bash_page(const std::vector<Command>& commands) {
  const auto head = fmt::format(
      "{}  if ((COMP_CWORD == 1)); then\n"
      "    mapfile -t COMPREPLY < <(compgen -W '{} --help --version' -- \"$current\")\n"
      "    return\n  fi\n"
      "  case ${{COMP_WORDS[1]}} in\n",
      kBashHead, fmt::join(names(commands), " "));
  const auto begin = [](const Command& command) { return fmt::format("    {})\n", command.name); };
  return {.head = head, .begin = begin, .end = "      ;;\n", .foot = kBashFoot};
}

std::string zsh_case(const std::vector<Option>& keys, const std::vector<std::string>& words) {
  std::string text = "      _arguments";
  for (const auto& option : keys) {
    const auto known = known_values(option);
    const auto action = known.empty() ? "_files" : fmt::format("({})", fmt::join(known, " "));
    text +=
        fmt::format(" \\\n        '--{}{}[{}]{}'", option.key, option.bare.empty() ? "=" : "",
                    explained(option.help), option.bare.empty() ? ":value:" + shell(action) : "");
  }
  const auto rest = words.empty() ? "_files" : fmt::format("({})", fmt::join(words, " "));
  return fmt::format("{} \\\n        '*:path:{}'\n", text, shell(rest));
}

ProgramPage zsh_page(const std::vector<Command>& commands) {
  std::string head =
      "#compdef halcyon\n# Completion of halcyon in zsh, made by `halcyon --help=zsh`.\n"
      "local -a commands=(\n";
  for (const auto& command : commands) {
    head += fmt::format("  '{}:{}'\n", command.name, shell(command.summary));
  }
  head +=
      ")\nif ((CURRENT == 2)); then\n  _describe command commands\nelse\n"
      "  local command=$words[2]\n  shift words\n  ((CURRENT--))\n  case $command in\n";
  const auto begin = [](const Command& command) { return fmt::format("    {})\n", command.name); };
  return {.head = head, .begin = begin, .end = "      ;;\n", .foot = "  esac\nfi\n"};
}

}  // namespace halcyon
