#pragma once

#include <string>
#include <vector>

namespace halcyon {

/// What the program knows of itself; the rest of an environment record is found out here.
struct EnvironmentOptions {
  std::string program_version;
  std::string device;  // as "cpu" or "cuda:0 NVIDIA H200"
  std::vector<std::string> command_line;
};

/// Adds a record to `path`, {"starts": [{...}, ...]}, one for each time that the run was started
/// or resumed: program and LibTorch version, compiler and build, CPU, threads, device, date (UTC)
/// and command line.  It names neither host nor user.  @throws FileError
void write_environment(const std::string& path, const EnvironmentOptions& options);

/// The processor's name, as the system gives it; "unknown" where it does not.
std::string cpu_model();

}  // namespace halcyon
