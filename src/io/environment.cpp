#include "io/environment.h"

#include <ATen/Parallel.h>
#include <fmt/chrono.h>
#include <torch/version.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "io/atomic_file.h"

namespace halcyon {
namespace {

using Json = nlohmann::ordered_json;

std::string build_type() {
#ifdef __OPTIMIZE__
  std::string build = "optimised";
#else
  std::string build = "not optimised";
#endif
#ifndef NDEBUG
  build += ", with assertions";
#endif
#ifdef __SANITIZE_ADDRESS__
  build += ", with AddressSanitizer";
#endif
  return build;
}

Json earlier_starts(const std::string& path) {
  if (!std::filesystem::exists(path)) return Json::array();
  const auto old = Json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
  const bool usable = old.is_object() && old.contains("starts") && old["starts"].is_array();
  return usable ? old["starts"] : Json::array();
}

}  // namespace

std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const auto colon = line.find(": ");
    if (line.rfind("model name", 0) == 0 && colon != std::string::npos)
      return line.substr(colon + 2);
  }
  return "unknown";
}

void write_environment(const std::string& path, const EnvironmentOptions& options) {
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  auto starts = earlier_starts(path);
  starts.push_back({{"date", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(now))},
                    {"program_version", options.program_version},
                    {"libtorch_version", TORCH_VERSION},
                    {"compiler", __VERSION__},
                    {"build", build_type()},
                    {"cpu", cpu_model()},
                    {"cpu_cores", std::thread::hardware_concurrency()},
                    {"threads", at::get_num_threads()},
                    {"device", options.device},
                    {"command_line", options.command_line}});
  const Json record = {{"starts", starts}};
  write_file_atomically(path, record.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace halcyon
