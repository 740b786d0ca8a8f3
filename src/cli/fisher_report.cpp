#include "cli/fisher_report.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/random.h"
#include "data/toy_distribution.h"
#include "io/plots.h"

namespace halcyon {
namespace {

constexpr int64_t kMostDimensions = 4096;  // of a covariance matrix: 128 MiB
constexpr int64_t kMostImages = 20000;     // to estimate it from

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
  row.number("virial_z", (level.virial.value - 1) / level.virial.standard_error);
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

}  // namespace

FisherReference fisher_reference(const ImageSet& set, const std::string& data_path) {
  FisherReference reference;
  const int64_t dim = set.images[0].numel();
  const int64_t count = std::min(set.images.size(0), kMostImages);
  if (dim <= kMostDimensions && count > dim) {
    reference.gaussian = fit_gaussian(choose_images(set, count, /*seed=*/0));
  }
  if (is_toy(data_path)) reference.exact = find_toy(data_path).make();
  return reference;
}

torch::Tensor choose_images(const ImageSet& set, int64_t count, uint64_t seed) {
  auto rng = make_generator(seed, "evaluation images");
  const auto order = torch::randperm(set.images.size(0), rng, torch::kInt64);
  return to_model_units(
      set.images.index_select(0, order.narrow(0, 0, std::min(count, order.size(0)))));
}

std::vector<FisherEstimates> measure_levels(Denoiser& denoiser, const torch::Tensor& x0,
                                            const FisherOptions& options, double model_sigma_min,
                                            double model_sigma_max, uint64_t seed,
                                            const std::function<void(int64_t)>& on_level) {
  if (x0.size(0) < 2) throw DataError("fisher: want at least 2 images, got 1");
  const auto sigmas =
      log_spaced_levels(std::max(options.sigma_min, model_sigma_min),
                        std::min(options.sigma_max, model_sigma_max), options.levels);
  std::vector<FisherEstimates> levels;
  for (const double sigma : sigmas) {
    const auto k = static_cast<int64_t>(levels.size());
    auto noise_rng = make_generator(seed, "fisher noise", k, x0.device());
    auto probe_rng = make_generator(seed, "fisher probes", k, x0.device());
    const auto noise = torch::randn(x0.sizes(), noise_rng, x0.options());
    FisherLevel level(sigma, x0[0].numel(), options.probes);
    for (int64_t begin = 0; begin < x0.size(0); begin += options.batch) {
      const int64_t size = std::min(options.batch, x0.size(0) - begin);
      level.add(denoiser, x0.narrow(0, begin, size), noise.narrow(0, begin, size), probe_rng);
    }
    levels.push_back(level.estimates());
    on_level(static_cast<int64_t>(levels.size()));
  }
  return levels;
}

Table fisher_table(const std::vector<FisherEstimates>& levels, const FisherContext& context,
                   const FisherReference& reference) {
  Table table;
  for (size_t k = 0; k < levels.size(); ++k) {
    RowBuilder row;
    add_identity(row, levels[k], context, k);
    add_information(row, levels[k]);
    add_checks(row, levels[k]);
    add_references(row, levels[k], reference);
    row.add_to(table);
  }
  return table;
}

Table fisher_summary(const std::vector<FisherEstimates>& levels, const FisherReference& reference) {
  Table table;
  const auto with_error = [](const Estimate& e) {
    return e.count > 0 ? fmt::format("{:.4g} +- {:.1g}", e.value, e.standard_error) : "-";
  };
  for (const auto& level : levels) {
    RowBuilder row;
    row.number("sigma", level.sigma);
    row.text("E|s|^2", with_error(level.fisher_info_exp));
    row.text("-E tr grad s", with_error(level.fisher_info_obs));
    row.text("lower bound", with_error(level.fisher_info_low));
    if (reference.gaussian) {
      row.number("gaussian", reference.gaussian->fisher_information(level.sigma));
    }
    if (reference.exact) row.number("exact", reference.exact->fisher_information(level.sigma));
    row.text("eps mse", with_error(level.eps_mse));
    row.text("calibration", with_error(level.score_calibration));
    row.number("mean score z", level.mean_score_z);
    row.add_to(table);
  }
  return table;
}

std::string plot_fisher(const std::string& folder, const std::vector<FisherEstimates>& levels,
                        const FisherReference& reference) {
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
  std::string reasons;
  for (const auto& [name, plot] :
       {std::pair{"fisher_information", &information}, std::pair{"fisher_fraction", &fraction}}) {
    const auto result = write_plot(folder + "/" + name + ".png", *plot);
    if (!result.written) reasons = result.reason;
  }
  return reasons;
}

}  // namespace halcyon
