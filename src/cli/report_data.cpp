#include "cli/report_data.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <torch/types.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <tuple>

#include "cli/estimate_text.h"
#include "cli/run_options.h"
#include "config/options.h"
#include "core/error.h"
#include "io/atomic_file.h"
#include "io/csv_reader.h"
#include "io/run_directory.h"
#include "io/safetensors.h"

namespace halcyon {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

/// The files of that name: the run's, then that of `halcyon fisher`.
std::vector<std::string> files_named(const std::string& folder, const std::string& name) {
  std::vector<std::string> found;
  for (const auto& path : {folder + "/" + name, folder + "/fisher/" + name}) {
    if (fs::is_regular_file(path)) found.push_back(path);
  }
  return found;
}

std::string text_of(const std::string& path) {
  return fs::is_regular_file(path) ? read_file(path) : "";
}

/// The newest file of that name, as a table.
Table table_named(const std::string& folder, const std::string& name) {
  const auto files = files_named(folder, name);
  return files.empty() ? Table() : read_csv(files.back());
}

/// The rows of the same images and weights as `history`, if there are any; else all.
Table matching(const Table& table, const std::vector<LevelHistory>& histories) {
  if (histories.empty()) return table;
  const auto split = column_texts(table, "split"), weights = column_texts(table, "weights");
  Table chosen{table.columns, {}};
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const bool same =
        split[i] == histories.front().split && weights[i] == histories.front().weights;
    if (same) chosen.rows.push_back(table.rows[i]);
  }
  return chosen.rows.empty() ? table : chosen;
}

std::string newest_date(const std::vector<std::string>& files) {
  auto newest = fs::file_time_type::min();
  for (const auto& file : files) newest = std::max(newest, fs::last_write_time(file));
  if (files.empty()) return "";
  const auto time = std::chrono::system_clock::to_time_t(
      std::chrono::time_point_cast<std::chrono::system_clock::duration>(
          std::chrono::file_clock::to_sys(newest)));
  return fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(time));
}

/// Held-out images before training images, averaged weights before raw ones.
std::tuple<bool, bool, std::string, std::string> preference(const LevelHistory& history) {
  return {history.split == "train", history.weights == "raw", history.weights, history.split};
}

void sort_by_sigma(LevelTable& table) {
  const auto sigma = table.column("sigma");
  std::vector<size_t> order(sigma.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return sigma[a] < sigma[b]; });
  auto rows = table.rows.rows;
  for (size_t i = 0; i < order.size(); ++i) table.rows.rows[i] = rows[order[i]];
}

using TablesByStep = std::map<int64_t, LevelTable>;
using TablesByKind = std::map<std::pair<std::string, std::string>, TablesByStep>;

/// Adds the tables of a file; one of the same step, split and weights replaces that of an earlier
/// file.
void add_tables(const Table& table, TablesByKind& kinds) {
  const auto step = column_numbers(table, "step"), sigma = column_numbers(table, "sigma");
  const auto split = column_texts(table, "split"), weights = column_texts(table, "weights");
  TablesByKind own;
  for (size_t i = 0; i < table.rows.size(); ++i) {
    if (!std::isfinite(step[i]) || !(sigma[i] > 0)) continue;
    auto& level_table = own[{split[i], weights[i]}][static_cast<int64_t>(step[i])];
    level_table.step = static_cast<int64_t>(step[i]);
    level_table.rows.columns = table.columns;
    level_table.rows.rows.push_back(table.rows[i]);
  }
  for (auto& [kind, tables] : own) {
    for (auto& [at, level_table] : tables) {
      sort_by_sigma(level_table);
      kinds[kind][at] = std::move(level_table);
    }
  }
}

std::vector<LevelHistory> fisher_histories(const std::string& folder) {
  TablesByKind kinds;
  for (const auto& file : files_named(folder, "fisher_levels.csv"))
    add_tables(read_csv(file), kinds);
  std::vector<LevelHistory> histories;
  for (auto& [kind, tables] : kinds) {
    auto& history = histories.emplace_back(LevelHistory{kind.first, kind.second, {}});
    for (auto& [step, table] : tables) history.tables.push_back(std::move(table));
  }
  std::sort(histories.begin(), histories.end(),
            [](const auto& a, const auto& b) { return preference(a) < preference(b); });
  return histories;
}

std::optional<Spectrum> spectrum_of(const std::string& line) {
  const auto json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("eigenvalues")) return std::nullopt;
  try {
    Spectrum spectrum{json.value("step", int64_t{0}),
                      json.value("sigma", 0.0),
                      json.value("matrix", std::string("F")),
                      {}};
    for (const auto& value : json.at("eigenvalues")) {
      if (value.is_number()) spectrum.eigenvalues.push_back(value.get<double>());
    }
    std::sort(spectrum.eigenvalues.rbegin(), spectrum.eigenvalues.rend());
    return spectrum;
  } catch (const Json::exception&) {
    return std::nullopt;  // a line of another program, or of a later version
  }
}

std::vector<Spectrum> latest_spectra(const std::string& folder) {
  std::vector<Spectrum> spectra;
  int64_t latest = 0;
  for (const auto& file : files_named(folder, "fisher_spectrum.jsonl")) {
    std::istringstream lines(read_file(file));
    for (std::string line; std::getline(lines, line);) {
      if (auto spectrum = spectrum_of(line)) {
        latest = std::max(latest, spectrum->step);
        spectra.push_back(std::move(*spectrum));
      }
    }
  }
  spectra.erase(std::remove_if(spectra.begin(), spectra.end(),
                               [&](const auto& spectrum) { return spectrum.step != latest; }),
                spectra.end());
  return spectra;
}

/// The alarms of the latest fisher_summary.json, unless a newer table is shown.
std::optional<std::vector<std::string>> alarms_of(const std::string& folder,
                                                  const std::vector<LevelHistory>& fisher) {
  double step = fisher.empty() ? 0 : static_cast<double>(fisher.front().latest().step);
  std::optional<std::vector<std::string>> alarms;
  for (const auto& file : files_named(folder, "fisher_summary.json")) {
    const auto json = Json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
    const bool sound = json.is_object() && json.contains("alarms") && json["alarms"].is_array() &&
                       json.contains("step") && json["step"].is_number();
    if (!sound || json["step"].get<double>() < step) continue;
    step = json["step"].get<double>();
    alarms.emplace();
    for (const auto& alarm : json["alarms"]) {
      if (alarm.is_string()) alarms->push_back(alarm.get<std::string>());
    }
  }
  return alarms;
}

/// JSON files in the folder and in those directly below, from the oldest.
std::vector<fs::path> json_files(const std::string& folder) {
  std::vector<fs::path> files;
  std::error_code ignored;
  for (auto it = fs::recursive_directory_iterator(folder, ignored);
       it != fs::recursive_directory_iterator(); ++it) {
    if (it->is_directory() && it.depth() >= 1) it.disable_recursion_pending();
    if (it->is_regular_file() && it->path().extension() == ".json") files.push_back(it->path());
  }
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) {
    return std::pair(fs::last_write_time(a), a) < std::pair(fs::last_write_time(b), b);
  });
  return files;
}

/// Of files that tell of "samples": every entry with a value and its standard error.
std::map<std::string, Estimate> sample_distances(const std::string& folder) {
  std::map<std::string, Estimate> distances;
  for (const auto& file : json_files(folder)) {
    const auto json = Json::parse(read_file(file.string()), nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("samples") || !json.contains("metrics")) continue;
    for (const auto& [name, entry] : json["metrics"].items()) {
      if (const auto estimate = estimate_of(entry)) distances[name] = *estimate;
    }
  }
  return distances;
}

std::map<std::string, std::string> settings_of(const std::string& config) {
  std::map<std::string, std::string> settings;
  TrainingRun run;
  OptionSet set(run);
  try {
    set.read_ini(config, "config.ini");
  } catch (const ConfigError&) {
    return settings;  // of another version: its text is in the report all the same
  }
  for (const auto& option : set.options()) settings[option.key] = option.get();
  return settings;
}

std::optional<int64_t> parameter_count(const std::string& folder) {
  try {
    const auto header = read_safetensors_header(resolve_checkpoint(folder, "raw.safetensors"));
    int64_t count = 0;
    for (const auto& tensor : header.tensors) count += c10::multiply_integers(tensor.shape);
    return count;
  } catch (const UserError&) {
    return std::nullopt;
  }
}

void require_run(const std::string& folder) {
  if (!fs::is_directory(folder)) {
    throw FileError(fmt::format("{} is no folder; want a run directory", folder));
  }
  if (!fs::exists(folder + "/config.ini") && files_named(folder, "fisher_levels.csv").empty()) {
    throw FileError(
        fmt::format("{} holds no run: neither config.ini nor fisher_levels.csv is there", folder));
  }
}

}  // namespace

std::vector<double> LevelTable::column(const std::string& name) const {
  return column_numbers(rows, name);
}

std::optional<double> last_value(const Table& table, const std::string& column) {
  const auto values = column_numbers(table, column);
  const auto found =
      std::find_if(values.rbegin(), values.rend(), [](double v) { return std::isfinite(v); });
  return found == values.rend() ? std::nullopt : std::optional(*found);
}

ReportData read_report_data(const std::string& folder) {
  require_run(folder);
  ReportData data;
  data.folder = folder;
  data.name = fs::weakly_canonical(folder).filename().string();
  data.metrics = table_named(folder, "metrics.csv");
  data.fisher = fisher_histories(folder);
  data.integrals = matching(table_named(folder, "fisher_integrals.csv"), data.fisher);
  data.jacobian = table_named(folder, "fisher_jacobian.csv");
  data.spectra = latest_spectra(folder);
  data.alarms = alarms_of(folder, data.fisher);
  data.distances = sample_distances(folder);
  data.config = text_of(folder + "/config.ini");
  data.environment = text_of(folder + "/environment.json");
  data.settings = settings_of(data.config);
  data.parameters = parameter_count(folder);
  auto dated = files_named(folder, "fisher_levels.csv");
  for (const auto& file : files_named(folder, "metrics.csv")) dated.push_back(file);
  data.date = newest_date(dated);
  return data;
}

}  // namespace halcyon
