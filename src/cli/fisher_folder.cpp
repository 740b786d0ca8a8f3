#include "cli/fisher_folder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "cli/level_files.h"
#include "core/error.h"
#include "io/atomic_file.h"

namespace halcyon {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

constexpr const char* kSummary = "fisher_summary.json";

/// What two runs must agree in for their files to belong together.
Json identity(const FisherJob& job) {
  Json identity = {{"source", job.model.source},
                   {"weights", job.model.weights},
                   {"step", job.model.step},
                   {"split", job.data.split},
                   {"data", fingerprint(job.data.set)},
                   {"seed", job.options.use.seed}};
  if (job.options.space == FisherSpace::parameters) {
    identity["weighting"] = to_text(job.options.parameters.weighting);
  }
  if (job.model.network) identity["network"] = network_fingerprint(*job.model.network);
  if (!job.options.calibration.empty()) {
    const auto table = load_calibration(job.options.calibration);
    identity["calibration"] = fmt::format("{} ({})", job.options.calibration, fingerprint(table));
  }
  return identity;
}

/// Null if there is none, or none that can be read.
Json earlier_summary(const FisherJob& job) {
  const auto file = job.path(kSummary);
  if (!fs::exists(file)) return {};
  auto earlier = Json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  return earlier.is_object() ? earlier : Json();
}

/// "KEY there, here" of each that differs.  A network is known by its weights, wherever it lies.
std::vector<std::string> differences(const Json& earlier, const Json& now) {
  std::vector<std::string> found;
  const bool networks = earlier.contains("network") && now.contains("network");
  for (const char* key : {"source", "weights", "step", "network", "calibration", "split", "data",
                          "seed", "weighting"}) {
    if (networks && std::string(key) == "source") continue;
    const auto there = earlier.value(key, Json()), here = now.value(key, Json());
    if (there == here) continue;
    const auto text = [](const Json& value) {
      return value.is_null() ? "none" : value.is_string() ? value.get<std::string>() : value.dump();
    };
    found.push_back(fmt::format("{} {} there, {} here", key, text(there), text(here)));
  }
  return found;
}

std::set<std::string> parts_in(const Json& summary) {
  std::set<std::string> names;
  for (const auto& name : summary.value("parts", Json::array())) {
    if (name.is_string()) names.insert(name.get<std::string>());
  }
  return names;
}

std::set<std::string> names_of(const std::vector<FisherPart>& parts) {
  std::set<std::string> names;
  for (const auto& part : parts) names.insert(part.name);
  return names;
}

/// The files of a study whose every part is about to be measured anew.
void remove_results(const FisherJob& job) {
  for (const auto& part : fisher_parts()) {
    for (const char* file : part.files) fs::remove(job.path(file));
  }
  fs::remove(job.path(kSummary));
}

/// Those of every part that was measured, now or before.
Json all_alarms(const Json& by_part) {
  Json all = Json::array();
  for (const auto& [part, alarms] : by_part.items()) {
    for (const auto& alarm : alarms) all.push_back(alarm);
  }
  return all;
}

}  // namespace

void require_own_folder(const FisherJob& job, const std::vector<FisherPart>& parts) {
  const auto& out = job.options.use.out;
  if (fs::exists(job.path("config.ini"))) {
    throw ConfigError(fmt::format(
        "--out: '{}' is a run directory with a fisher_levels.csv of its own; want another "
        "folder, as {}/fisher",
        out, out));
  }
  const auto earlier = earlier_summary(job);
  if (earlier.is_null()) return;
  const auto differing = differences(earlier, identity(job));
  if (differing.empty()) return;
  const auto there = parts_in(earlier), here = names_of(parts);
  const bool replaced =
      !there.empty() && std::includes(here.begin(), here.end(), there.begin(), there.end());
  if (replaced) return remove_results(job);
  throw ConfigError(fmt::format(
      "--out: '{}' has {} of another study ({}); want another folder, or this one removed", out,
      there.empty() ? "results" : fmt::format("{}", fmt::join(there, ", ")),
      fmt::join(differing, "; ")));
}

void write_fisher_summary(const FisherJob& job, const std::vector<FisherPart>& parts) {
  auto summary = identity(job);
  auto names = names_of(parts);
  const auto earlier = earlier_summary(job);
  if (!earlier.is_null() && differences(earlier, summary).empty()) {
    names.merge(parts_in(earlier));
    auto kept = earlier;
    kept.update(summary);
    summary = std::move(kept);
  }
  auto by_part = summary.value("part_alarms", Json::object());
  for (const auto& [part, alarms] : job.alarms) by_part[part] = alarms;
  summary["dim"] = job.study.dim();
  summary["halcyon"] = HALCYON_VERSION;
  summary["parts"] = names;
  summary.update(job.summary);
  summary["part_alarms"] = by_part;
  const auto alarms = all_alarms(by_part);
  // Without the curve nothing was checked that could give cause for most of them.
  if (names.count("curve") > 0 || !alarms.empty()) summary["alarms"] = alarms;
  write_file_atomically(job.path(kSummary), summary.dump(2) + "\n");
}

}  // namespace halcyon
