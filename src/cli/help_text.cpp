#include "cli/help_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/help_forms.h"
#include "core/preconditioning.h"
#include "core/process_registry.h"
#include "models/registry.h"
#include "samplers/registry.h"

namespace halcyon {
namespace {

template <class Table>
std::vector<std::string> names_in(const Table& table) {
  std::vector<std::string> names;
  for (const auto& entry : table) names.emplace_back(entry.name);
  return names;
}

ProgramPage text_page(const std::vector<Command>& commands) {
  auto head = fmt::format(
      "halcyon {}: score-matching diffusion models and the Fisher information of their data\n"
      "\nusage: halcyon COMMAND [--key value ...]\n\n",
      HALCYON_VERSION);
  for (const auto& command : commands) {
    head += fmt::format("  {:<12}{}\n", command.name, command.summary);
  }
  head += "\n`halcyon COMMAND --help` names every key of a command.\n";
  return {.head = head};
}

ProgramPage program_page(const std::vector<Command>& commands, HelpForm form) {
  switch (form) {
    case HelpForm::man:
      return man_page(commands);
    case HelpForm::bash:
      return bash_page(commands);
    case HelpForm::zsh:
      return zsh_page(commands);
    default:
      return text_page(commands);
  }
}

}  // namespace

std::vector<std::string> known_values(const Option& option) {
  if (option.key == "sampler.name") return names_in(sampler_registry());
  if (option.key == "model.name") return names_in(model_registry());
  if (option.key == "preconditioning.name") return names_in(preconditioning_registry());
  if (option.key == "preconditioning.process") return names_in(noise_process_registry());
  const bool chosen = option.type.find('|') != option.type.npos &&
                      option.type.find(' ') == option.type.npos;  // and no list of such
  std::vector<std::string> values;
  for (size_t begin = 0; chosen && begin <= option.type.size();) {
    const auto end = std::min(option.type.find('|', begin), option.type.size());
    values.push_back(option.type.substr(begin, end - begin));
    begin = end + 1;
  }
  return values;
}

std::string help_text(const std::string& usage, const OptionSet& keys, HelpForm form,
                      const std::vector<std::string>& words) {
  switch (form) {
    case HelpForm::man:
      return man_section(usage, keys.options());
    case HelpForm::bash:
      return bash_case(keys.options(), words);
    case HelpForm::zsh:
      return zsh_case(keys.options(), words);
    default:
      return fmt::format("usage: {}\n{}", usage, keys.help());
  }
}

void print_program_help(const std::vector<Command>& commands, HelpForm form) {
  const ProgramPage page = program_page(commands, form);
  fmt::print("{}", page.head);
  for (const auto& command : commands) {
    if (!page.begin) break;
    fmt::print("{}", page.begin(command));
    command.run({fmt::format("--help={}", to_text(form))});
    fmt::print("{}", page.end);
  }
  fmt::print("{}", page.foot);
}

}  // namespace halcyon
