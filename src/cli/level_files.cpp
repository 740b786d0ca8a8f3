#include "cli/level_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "data/toy_distribution.h"
#include "io/atomic_file.h"
#include "io/csv_reader.h"

namespace halcyon {
namespace {

double number_in(const std::vector<Cell>& row, size_t column, const std::string& name,
                 const std::string& path) {
  const auto* number = std::get_if<double>(&row[column]);
  if (number == nullptr) {
    throw FileError(fmt::format("'{}': want a number in every cell of '{}'", path, name));
  }
  return *number;
}

/// eps_mse of the exact denoiser at the levels of the grid, where it will be asked for.
LogSigmaTable exact_eps_mse(const std::string& toy, const SamplerOptions& options,
                            const ModelRange& range) {
  const auto law = find_toy(toy).make();
  auto sigmas = make_grid(options, range);
  if (sigmas.back() == 0) sigmas.pop_back();
  std::vector<LogSigmaTable::Point> points;
  for (auto sigma = sigmas.rbegin(); sigma != sigmas.rend(); ++sigma) {
    points.push_back(
        {*sigma, law.mmse(*sigma) / (*sigma * *sigma * static_cast<double>(law.dim()))});
  }
  return LogSigmaTable(std::move(points));
}

}  // namespace

LogSigmaTable load_level_table(const std::string& path, const std::string& column) {
  const auto table = read_csv(path);
  if (table.rows.empty()) throw FileError(fmt::format("'{}': want rows, got none", path));
  const auto sigma_at = column_index(table, "sigma", path);
  const auto value_at = column_index(table, column, path);
  std::vector<size_t> identity;  // columns that tell one table in the file from another
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const auto& name = table.columns[i];
    if (name == "step" || name == "split" || name == "weights") identity.push_back(i);
  }
  const auto in_last_table = [&](const std::vector<Cell>& row) {
    return std::all_of(identity.begin(), identity.end(),
                       [&](size_t i) { return row[i] == table.rows.back()[i]; });
  };
  std::vector<LogSigmaTable::Point> points;
  for (const auto& row : table.rows) {
    if (!in_last_table(row)) continue;
    points.push_back(
        {number_in(row, sigma_at, "sigma", path), number_in(row, value_at, column, path)});
  }
  try {
    return LogSigmaTable(std::move(points));
  } catch (const ConfigError& error) {
    throw FileError(fmt::format("'{}', column '{}': {}", path, column, error.what()));
  }
}

LogSigmaTable load_calibration(const std::string& path) {
  auto table = load_level_table(path, "score_calibration");
  for (const auto& [sigma, value] : table.points()) {
    if (!(value > 0)) {
      throw FileError(fmt::format("'{}': want score_calibration > 0, got {} at sigma = {}", path,
                                  value, sigma));
    }
  }
  return table;
}

std::vector<double> load_grid_levels(const std::string& path) {
  const auto text = read_file(path);
  const auto table = read_csv(path);
  if (table.rows.empty()) throw FileError(fmt::format("'{}': want rows, got none", path));
  if (text.back() != '\n') {
    throw FileError(
        fmt::format("'{}': want rows, each with its line end; the last has none", path));
  }
  const auto at = column_index(table, "sigma", path);
  std::vector<double> levels;
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const auto* sigma = std::get_if<double>(&table.rows[i][at]);
    const double below = levels.empty() ? std::numeric_limits<double>::infinity() : levels.back();
    if (sigma == nullptr || !(0 < *sigma && *sigma < below)) {
      throw FileError(fmt::format(
          "'{}', line {}: want a sigma > 0 and < {}, got {} (0 follows the "
          "last by itself)",
          path, i + 2, below, sigma == nullptr ? "no number" : fmt::format("{}", *sigma)));
    }
    levels.push_back(*sigma);
  }
  return levels;
}

std::string fingerprint(const LogSigmaTable& table) {
  double sum = 0;
  for (const auto& point : table.points()) sum += point.value * std::log(point.sigma);
  return fmt::format("{:.10g}", sum);
}

void load_sampler_table(SamplerOptions& options, const std::string& source,
                        const ModelRange& range) {
  if (options.grid == GridSpacing::file && !options.grid_file.empty()) {
    options.grid_levels = load_grid_levels(options.grid_file);
  }
  const bool optimal = options.variance == ReverseVariance::optimal;
  if (optimal && !options.fisher.empty()) {
    options.eps_mse = load_level_table(options.fisher, "eps_mse");
  } else if (optimal && is_toy(source)) {
    options.eps_mse = exact_eps_mse(source, options, range);
  }
  make_sampler(options);
  make_grid(options, range);
}

}  // namespace halcyon
