#pragma once

#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <stdexcept>
#include <string>

#include "tests/support/catch.h"

namespace halcyon::testing {

struct Outcome {
  int code;            ///< exit status; 128 + signal if one ended it
  std::string output;  ///< stdout and stderr together
};

/// Runs the program built from this tree through the shell, as a user would.
inline Outcome run_program(const std::string& arguments, const std::string& before = "") {
  const std::string line = before + " " + HALCYON_PROGRAM + " " + arguments + " 2>&1";
  FILE* pipe = popen(line.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("popen failed");
  Outcome outcome{};
  char buffer[4096];
  for (size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) outcome.output.append(buffer, n);
  const int status = pclose(pipe);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

/// What the program says, which ends well.
inline std::string succeeds(const std::string& arguments, const std::string& before = "") {
  const auto outcome = run_program(arguments, before);
  INFO("halcyon " << arguments << "\n" << outcome.output);
  REQUIRE(outcome.code == 0);
  return outcome.output;
}

/// What the program says, which refuses bad input and does not crash.
inline std::string refused(const std::string& arguments) {
  const auto outcome = run_program(arguments);
  INFO("halcyon " << arguments << "\n" << outcome.output);
  REQUIRE(outcome.code == 2);
  for (const char* crash : {"terminate", "backtrace", "frame #", "Exception raised"}) {
    REQUIRE(outcome.output.find(crash) == std::string::npos);
  }
  return outcome.output;
}

/// It says every one of `parts`.
inline void refuses(const std::string& arguments, std::initializer_list<std::string> parts) {
  const auto output = refused(arguments);
  INFO("halcyon " << arguments);
  for (const auto& part : parts) REQUIRE_THAT(output, Contains(part));
}

inline std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void spill(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace halcyon::testing
