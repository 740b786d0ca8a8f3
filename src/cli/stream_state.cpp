#include "cli/stream_state.h"

#include <fmt/format.h>

#include <filesystem>

#include "core/error.h"
#include "io/atomic_file.h"

namespace halcyon {
namespace {

using Json = nlohmann::ordered_json;

std::string text(const Json& value) {
  if (value.is_null()) return "nothing";
  return value.is_string() ? "'" + value.get<std::string>() + "'" : value.dump();
}

StreamProgress read_progress(const Json& there) {
  return {there.at("batch"), there.at("done"), there.at("evaluations"), there.at("seconds")};
}

}  // namespace

StreamState::StreamState(std::string path, Json options, int64_t batch)
    : path_(std::move(path)), options_(std::move(options)) {
  progress_.batch = batch;
  std::error_code ignored;  // who cannot look there is told so when writing
  if (!std::filesystem::exists(path_, ignored)) return;
  const auto there = Json::parse(read_file(path_), nullptr, /*allow_exceptions=*/false);
  try {
    const auto progress = read_progress(there);
    if (progress.done == 0) return;
    progress_ = progress;
    require_same_options(there.at("options"), batch);
  } catch (const Json::exception&) {
    throw FileError(fmt::format(
        "{} does not say how far the images have come; want it removed, to begin anew", path_));
  }
  resumed_ = true;
}

void StreamState::require_same_options(const Json& there, int64_t batch) const {
  const auto compare = [&](const std::string& key, const Json& found, const Json& wanted) {
    if (found == wanted) return;
    throw ConfigError(fmt::format(
        "{}: found {}, wanted {}: {} images of an unfinished run are there; want the same options, "
        "another --out, or {} removed, to begin anew",
        key, text(found), text(wanted), progress_.done, path_));
  };
  for (const auto& [key, wanted] : options_.items()) compare(key, there.value(key, Json()), wanted);
  if (batch != 0) compare("batch", progress_.batch, batch);
}

void StreamState::save(const StreamProgress& progress) {
  progress_ = progress;
  const Json state = {{"options", options_},
                      {"batch", progress.batch},
                      {"done", progress.done},
                      {"evaluations", progress.evaluations},
                      {"seconds", progress.seconds}};
  write_file_atomically(path_, state.dump(2) + "\n", Durability::process);
}

void StreamState::remove() const { remove_all(path_); }

}  // namespace halcyon
