#include "cli/fisher_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/data_gaussian.h"
#include "cli/estimate_text.h"
#include "core/torch.h"
#include "data/toy_distribution.h"
#include "fisher/fisher_level.h"
#include "io/plots.h"

namespace halcyon {
namespace {

/// Columns and their cells, grown side by side so that names and values cannot part.
class RowBuilder {
 public:
  void text(const char* name, const std::string& value) { put(name, Cell(value)); }
  void number(const std::string& name, double value) { put(name, Cell(value)); }
  void optional(const std::string& name, const std::optional<double>& value) {
    put(name, value ? Cell(*value) : Cell());
  }
  /// name and name_se; empty if nothing was measured.
  void estimate(const std::string& name, const Estimate& estimate) {
    const bool measured = estimate.count > 0;
    put(name, measured ? Cell(estimate.value) : Cell());
    put(name + "_se", measured ? Cell(estimate.standard_error) : Cell());
  }
  void add_to(Table& table) {
    table.columns = std::move(columns_);
    table.rows.push_back(std::move(cells_));
  }

 private:
  void put(const std::string& name, Cell cell) {
    columns_.push_back(name);
    cells_.push_back(std::move(cell));
  }

  std::vector<std::string> columns_;
  std::vector<Cell> cells_;
};

void add_identity(RowBuilder& row, const FisherEstimates& level, const FisherContext& context,
                  size_t k) {
  row.number("step", static_cast<double>(context.step));
  row.text("split", context.split);
  row.text("weights", context.weights);
  row.number("k", static_cast<double>(k));
  row.number("sigma", level.sigma);
  row.number("log_snr", -2 * std::log(level.sigma));
  row.number("n", static_cast<double>(level.eps_mse.count));
  row.number("d", static_cast<double>(level.dim));
  row.number("n_probe", static_cast<double>(level.probes));
}

void add_information(RowBuilder& row, const FisherEstimates& level) {
  const auto info_and_fraction = [&](const std::string& suffix, const Estimate& estimate) {
    row.estimate("fisher_info_" + suffix, estimate);
    row.estimate("fisher_frac_" + suffix, level.fraction(estimate));
  };
  row.estimate("eps_mse", level.eps_mse);
  row.estimate("x0_mse", level.x0_mse);
  row.number("psnr_db", 10 * std::log10(4 / level.x0_mse.value));  // the range [-1, 1] is 2 wide
  row.estimate("dsm_loss", level.dsm_loss);
  row.estimate("ism_loss", level.ism_loss);
  info_and_fraction("exp", level.fisher_info_exp);
  info_and_fraction("stein", level.fisher_info_stein);
  info_and_fraction("obs", level.fisher_info_obs);
  info_and_fraction("low", level.fisher_info_low);
}

void add_checks(RowBuilder& row, const FisherEstimates& level) {
  row.estimate("score_calibration", level.score_calibration);
  row.number("mean_score_norm", level.mean_score_norm);
  row.number("mean_score_ratio", level.mean_score_ratio);
  row.number("mean_score_z", level.mean_score_z);
  row.estimate("virial", level.virial);
  row.number("virial_z", level.virial_z());
  row.number("consistency_z", level.consistency_z);
  const bool probed = level.probes > 0;
  row.optional("dsm_minus_ism_minus_const_z",
               probed ? std::optional(level.dsm_minus_ism_z) : std::nullopt);
  row.estimate("info_rate", level.info_rate());
  row.estimate("effective_variance", level.effective_variance());
  row.number("participation_ratio", level.participation_ratio);
}

void add_references(RowBuilder& row, const FisherEstimates& level,
                    const FisherReference& reference) {
  const double sigma = level.sigma;
  const auto information = [&](const std::optional<GaussianMixture>& law) -> std::optional<double> {
    return law ? std::optional(law->fisher_information(sigma)) : std::nullopt;
  };
  const auto eps_floor = [&](const std::optional<GaussianMixture>& law) -> std::optional<double> {
    if (!law) return std::nullopt;
    return law->mmse(sigma) / (sigma * sigma * static_cast<double>(level.dim));
  };
  row.optional("lmmse", eps_floor(reference.gaussian));
  row.optional("fisher_info_gaussian", information(reference.gaussian));
  row.optional("eps_mse_exact", eps_floor(reference.exact));
  row.optional("fisher_info_exact", information(reference.exact));
}

PlotSeries points(const std::string& title, const std::vector<FisherEstimates>& levels,
                  const std::function<Estimate(const FisherEstimates&)>& read) {
  PlotSeries series{.title = title, .x = {}, .y = {}};
  for (const auto& level : levels) {
    const auto estimate = read(level);
    if (estimate.count == 0) continue;
    series.x.push_back(level.sigma);
    series.y.push_back(estimate.value);
    series.y_error.push_back(2 * estimate.standard_error);
  }
  return series;
}

/// A smooth line of f(sigma) between the lowest and the highest level.
PlotSeries curve(const std::string& title, const std::vector<FisherEstimates>& levels, bool dashed,
                 const std::function<double(double)>& f) {
  PlotSeries series{.title = title, .x = {}, .y = {}, .dashed = dashed};
  for (const double sigma : log_spaced_levels(levels.front().sigma, levels.back().sigma, 100)) {
    series.x.push_back(sigma);
    series.y.push_back(f(sigma));
  }
  return series;
}

/// J in units of `unit(sigma)`: 1 / x^2 for the information, d / sigma^2 for the fraction.
std::vector<PlotSeries> information_series(const std::vector<FisherEstimates>& levels,
                                           const FisherReference& reference,
                                           const std::function<double(double)>& unit) {
  const auto in_units = [&](const FisherEstimates& level, const Estimate& info) {
    const double u = unit(level.sigma);
    return Estimate{info.value / u, info.standard_error / u, info.count};
  };
  std::vector<PlotSeries> series = {
      points("second moment E|s|^2", levels,
             [&](const auto& l) { return in_units(l, l.fisher_info_exp); }),
      points("observed -E tr grad s", levels,
             [&](const auto& l) { return in_units(l, l.fisher_info_obs); }),
      points("certified lower bound d/sigma^2 - mse/sigma^4", levels,
             [&](const auto& l) { return in_units(l, l.fisher_info_low); })};
  const auto law = [&](const std::string& title, const GaussianMixture& mixture, bool dashed) {
    series.push_back(curve(title, levels, dashed, [&](double sigma) {
      return mixture.fisher_information(sigma) / unit(sigma);
    }));
  };
  if (reference.gaussian) law("Gaussian of the data's covariance", *reference.gaussian, true);
  if (reference.exact) law("exact", *reference.exact, false);
  return series;
}

/// What the training images allow at most, in the mean over sets of them: j <= 1 - mmse(P_N).
PlotSeries upper_limit(const std::vector<MemorisationEstimates>& floors) {
  PlotSeries series{.title = "upper limit from the training images", .x = {}, .y = {}};
  series.dashed = true;
  for (const auto& floor : floors) {
    series.x.push_back(floor.sigma);
    series.y.push_back(1 - floor.floor.value);
  }
  return series;
}

}  // namespace

FisherReference fisher_reference(const ImageSet& set, const std::string& data_path) {
  return {covariance_gaussian(set),
          is_toy(data_path) ? std::optional(find_toy(data_path).make()) : std::nullopt};
}

Table fisher_table(const std::vector<FisherEstimates>& levels, const FisherContext& context,
                   const FisherReference& reference,
                   const std::vector<MemorisationEstimates>& floors) {
  TORCH_CHECK(floors.empty() || floors.size() == levels.size(), "floors of other levels");
  Table table;
  for (size_t k = 0; k < levels.size(); ++k) {
    RowBuilder row;
    add_identity(row, levels[k], context, k);
    add_information(row, levels[k]);
    add_checks(row, levels[k]);
    add_references(row, levels[k], reference);
    const auto floor = floors.empty() ? MemorisationEstimates() : floors[k];
    row.estimate("empirical_floor", floor.floor);
    row.estimate("fd_upper", floor.excess);
    row.estimate("memorisation", floor.memorisation);
    row.add_to(table);
  }
  return table;
}

Table fisher_summary(const std::vector<FisherEstimates>& levels, const FisherReference& reference) {
  Table table;
  for (const auto& level : levels) {
    RowBuilder row;
    row.number("sigma", level.sigma);
    row.text("E|s|^2", with_error(level.fisher_info_exp));
    row.text("-E tr grad s", with_error(level.fisher_info_obs));
    row.text("lower bound", with_error(level.fisher_info_low));
    if (reference.exact) {
      row.number("exact", reference.exact->fisher_information(level.sigma));
    } else if (reference.gaussian) {
      row.number("gaussian", reference.gaussian->fisher_information(level.sigma));
    }
    row.text("eps mse", with_error(level.eps_mse));
    row.text("c*", with_error(level.score_calibration));
    row.number("mean z", level.mean_score_z);
    row.add_to(table);
  }
  return table;
}

std::string plot_fisher(const std::string& folder, const std::vector<FisherEstimates>& levels,
                        const FisherReference& reference,
                        const std::vector<MemorisationEstimates>& floors) {
  const auto dim = static_cast<double>(levels.front().dim);
  Plot information{.title = "Fisher information of the noised data",
                   .x_label = "noise level sigma (model units)",
                   .y_label = "J, 1 / (model units)^2  (bars: 2 standard errors)",
                   .log_x = true,
                   .log_y = true};
  information.series = information_series(levels, reference, [](double) { return 1.0; });
  information.series.push_back(
      curve("pure noise d/sigma^2", levels, true, [&](double s) { return dim / (s * s); }));
  Plot fraction{.title = "Fisher fraction: information left of that of pure noise",
                .x_label = "noise level sigma (model units)",
                .y_label = "j = sigma^2 J / d  (bars: 2 standard errors)",
                .log_x = true};
  fraction.series = information_series(levels, reference, [&](double s) { return dim / (s * s); });
  if (!floors.empty()) fraction.series.push_back(upper_limit(floors));
  std::string reasons;
  for (const auto& [name, plot] :
       {std::pair{"fisher_information", &information}, std::pair{"fisher_fraction", &fraction}}) {
    const auto result = write_plot(folder + "/" + name + ".png", *plot);
    if (!result.written) reasons = result.reason;
  }
  return reasons;
}

}  // namespace halcyon
