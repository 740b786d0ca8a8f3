#include "config/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <fstream>
#include <set>
#include <sstream>

#include "core/registry.h"

namespace halcyon {
namespace {

namespace po = boost::program_options;

/// "loss.p_mean" -> {"loss", "p_mean"}.
std::pair<std::string, std::string> split_key(const std::string& key) {
  const auto dot = key.rfind('.');
  if (dot == std::string::npos) return {"", key};
  return {key.substr(0, dot), key.substr(dot + 1)};
}

}  // namespace

const Option& OptionSet::find(const std::string& key, const std::string& origin) const {
  std::vector<std::string> known;
  for (const auto& option : options_) {
    if (option.key == key) return option;
    known.push_back(option.key);
  }
  throw ConfigError(fmt::format("{}: unknown key '{}'; did you mean '{}'?", origin, key,
                                nearest_name(key, known)));
}

void OptionSet::set(const std::string& key, const std::string& value, const std::string& origin) {
  const auto& option = find(key, origin);
  try {
    option.set(value);
  } catch (const ConfigError&) {
    throw ConfigError(fmt::format("{}: {}: want {}, got '{}'", origin, key, option.type, value));
  }
}

void OptionSet::read_ini_file(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) {
    throw ConfigError(fmt::format("--config: cannot read '{}': want an INI file", path));
  }
  read_ini(text.str(), path);
}

void OptionSet::read_ini(const std::string& text, const std::string& origin) {
  std::istringstream in(text);
  std::vector<po::option> entries;
  try {
    entries =
        po::parse_config_file(in, po::options_description(), /*allow_unregistered=*/true).options;
  } catch (const po::error& error) {
    throw ConfigError(fmt::format("{}: not an INI file: {}", origin, error.what()));
  }
  std::set<std::string> seen;
  for (const auto& entry : entries) {
    if (!seen.insert(entry.string_key).second) {
      throw ConfigError(fmt::format("{}: key '{}' is given twice", origin, entry.string_key));
    }
    set(entry.string_key, entry.value.empty() ? "" : entry.value.front(), origin);
  }
}

/// --key-of-two-words as --key_of_two_words, if there is such a key.
std::string OptionSet::with_underscores(const std::string& argument) const {
  if (argument.rfind("--", 0) != 0) return argument;
  const auto end = std::min(argument.find('='), argument.size());
  auto key = argument.substr(2, end - 2);
  std::replace(key.begin(), key.end(), '-', '_');
  const bool known = std::any_of(options_.begin(), options_.end(),
                                 [&](const Option& option) { return option.key == key; });
  return known ? "--" + key + argument.substr(end) : argument;
}

std::vector<std::string> OptionSet::read_command_line(const std::vector<std::string>& arguments) {
  po::options_description keys;
  for (const auto& option : options_) {
    auto* value = po::value<std::string>();
    if (!option.bare.empty()) value->implicit_value(option.bare);
    keys.add_options()(option.key.c_str(), value, option.help.c_str());
  }
  std::vector<std::string> rest, words;
  for (const auto& argument : arguments) words.push_back(with_underscores(argument));
  try {
    const auto style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    const auto parsed =
        po::command_line_parser(words).options(keys).style(style).allow_unregistered().run();
    for (const auto& entry : parsed.options) {
      if (entry.string_key.empty()) {
        rest.insert(rest.end(), entry.value.begin(), entry.value.end());
      } else {
        const auto& key = entry.string_key;
        const auto value =
            entry.value.empty() ? find(key, "command line").bare : entry.value.front();
        set(key, value, "command line");
      }
    }
  } catch (const po::error& error) {
    throw ConfigError(fmt::format("command line: {}", error.what()));
  }
  return rest;
}

std::string OptionSet::to_ini() const {
  std::string text;
  std::string section;
  for (const auto& option : options_) {
    const auto [home, name] = split_key(option.key);
    const auto value = option.get();
    if (value.find_first_of("#\n\r") != std::string::npos ||
        (!value.empty() && (std::isspace(value.front()) || std::isspace(value.back())))) {
      throw ConfigError(fmt::format(
          "{}: a config file cannot hold the value '{}': want no '#', line breaks or outer spaces",
          option.key, value));
    }
    if (home != section) text += fmt::format("{}[{}]\n", text.empty() ? "" : "\n", home);
    section = home;
    text += fmt::format("# {}\n{} = {}\n", option.help, name, value);
  }
  return text;
}

std::string OptionSet::help() const {
  std::string text;
  std::string section;
  for (const auto& option : options_) {
    const auto home = split_key(option.key).first;
    if (home != section) text += fmt::format("\n[{}]\n", home);
    section = home;
    const auto value = option.get();
    text += fmt::format("  --{:<34} {}\n{:40}{}{}\n", option.key, option.help, "", option.type,
                        value.empty() ? "" : "; default " + value);
  }
  return text;
}

}  // namespace halcyon
