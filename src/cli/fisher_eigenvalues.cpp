#include <fmt/format.h>

#include <cmath>
#include <functional>

#include "cli/estimate_text.h"
#include "cli/fisher_network.h"
#include "cli/interrupt.h"
#include "cli/plot_warning.h"
#include "cli/progress.h"
#include "core/torch.h"
#include "fisher/parameter_spectrum.h"
#include "io/atomic_file.h"
#include "io/plots.h"
#include "io/table.h"

namespace halcyon {
namespace {

constexpr const char* kAll = "all";

/// Of one band, or of all noise levels together.
struct BandSpectrum {
  std::string band;
  double sigma_low, sigma_high;
  ParameterSpectrum spectrum;

  bool is_whole() const { return band == kAll; }
};

/// A series of its own for each band, from light to dark as the noise rises; black for all.
PlotSeries series_of(const std::vector<BandSpectrum>& bands, size_t k) {
  const auto& band = bands[k];
  PlotSeries series{.title = band.is_whole() ? "all noise levels"
                                             : fmt::format("sigma {:.2g} .. {:.2g}", band.sigma_low,
                                                           band.sigma_high),
                    .x = {},
                    .y = {}};
  const auto share = (1.0 + static_cast<double>(k)) / static_cast<double>(bands.size());
  series.colour = band.is_whole() ? "#111827" : sequential_colour(share);
  return series;
}

/// `share` of the largest eigenvalue.
double ridge_of(const BandSpectrum& band, double share) {
  return share * band.spectrum.leading.front().value;
}

nlohmann::json to_json(const BandSpectrum& band, double share) {
  const auto& s = band.spectrum;
  const double ridge = ridge_of(band, share);
  nlohmann::json values = nlohmann::json::array(), density = nlohmann::json::array();
  for (const auto& value : s.leading) values.push_back(to_json(value));
  for (const auto& rule : s.seen)
    density.push_back({{"nodes", rule.nodes}, {"weights", rule.weights}});
  return {{"band", band.band},
          {"sigma_low", band.sigma_low},
          {"sigma_high", band.sigma_high},
          {"parameters", s.parameters},
          {"rank_bound", s.rank_bound},
          {"eigenvalues", values},
          {"ritz_residuals", s.residuals},
          {"trace", to_json(s.trace([](double value) { return value; }))},
          {"participation_ratio", to_json(s.participation_ratio())},
          {"ridge", ridge},
          {"effective_parameters", to_json(s.effective_parameters(ridge))},
          {"density", density}};
}

Plot eigenvalue_plot(const std::vector<BandSpectrum>& bands) {
  Plot plot{.title = "Leading eigenvalues of the Fisher information of the parameters",
            .x_label = "index",
            .y_label = "eigenvalue, of one image  (bars: 2 standard errors)",
            .log_y = true};
  for (size_t k = 0; k < bands.size(); ++k) {
    auto series = series_of(bands, k);
    for (const auto& value : bands[k].spectrum.leading) {
      series.x.push_back(static_cast<double>(series.x.size() + 1));
      series.y.push_back(value.value);
      series.y_error.push_back(2 * value.standard_error);
    }
    plot.series.push_back(series);
  }
  return plot;
}

/// f of every band's spectrum over a scale of eigenvalues, from the largest down to where Lanczos
/// of `steps` steps still tells them from 0.
Plot scale_plot(const std::vector<BandSpectrum>& bands, int64_t steps, Plot plot,
                const std::function<Estimate(const ParameterSpectrum&, double)>& f) {
  const double resolved = 2 * std::log10(static_cast<double>(steps));
  plot.log_x = plot.log_y = true;
  for (size_t k = 0; k < bands.size(); ++k) {
    const auto& spectrum = bands[k].spectrum;
    auto series = series_of(bands, k);
    series.fill = Fill::band;
    const double top = std::log10(spectrum.leading.front().value);
    for (double power = top; power > top - resolved; power -= 0.1) {
      const auto found = f(spectrum, std::pow(10, power));
      series.x.push_back(std::pow(10, power));
      series.y.push_back(found.value);
      series.y_error.push_back(2 * found.standard_error);
    }
    plot.series.push_back(series);
  }
  return plot;
}

Plot effective_plot(const std::vector<BandSpectrum>& bands, int64_t steps) {
  return scale_plot(bands, steps,
                    {.title = "Parameters that the data settle",
                     .x_label = "ridge",
                     .y_label = "tr F / (F + ridge)  (2 standard errors)"},
                    [](const auto& s, double ridge) { return s.effective_parameters(ridge); });
}

Plot density_plot(const std::vector<BandSpectrum>& bands, int64_t steps) {
  constexpr double kWidth = 0.15;
  return scale_plot(bands, steps,
                    {.title = "Spectral density of the Fisher information of the parameters",
                     .x_label = "eigenvalue, of one image",
                     .y_label = fmt::format(
                         "eigenvalues a decade, within {} of one  (2 standard errors)", kWidth)},
                    [](const auto& s, double value) { return s.density(value, kWidth); });
}

Table summary_of(const std::vector<BandSpectrum>& bands, double share_of_ridge) {
  Table table{.columns = {"sigma", "largest eigenvalue", "its share", "participation ratio",
                          fmt::format("effective at {:.2g} of it", share_of_ridge),
                          "rank at most"}};
  for (const auto& band : bands) {
    const auto& s = band.spectrum;
    const auto largest = s.leading.front();
    const auto trace = s.trace([](double value) { return value; });
    const double share = largest.value / trace.value;
    const double error = share * std::hypot(largest.standard_error / largest.value,
                                            trace.standard_error / trace.value);
    table.rows.push_back(
        {band.is_whole() ? kAll : fmt::format("{:.3g} .. {:.3g}", band.sigma_low, band.sigma_high),
         with_error(largest), with_error({share, error, largest.count}),
         with_error(s.participation_ratio()),
         with_error(s.effective_parameters(ridge_of(band, share_of_ridge))),
         static_cast<double>(s.rank_bound)});
  }
  return table;
}

BandSpectrum measured(const FisherJob& job, const FisherNetwork& network, int64_t k,
                      const std::string& band) {
  const auto& options = job.options.parameters;
  const auto purpose = band == kAll ? "whole spectrum" : "spectrum";
  auto rng = network.generator(purpose, k);
  const auto [low, high] = network.bands().range(k);
  auto spectrum = parameter_spectrum(network.denoiser(), network.space(),
                                     network.batch(purpose, k, 0, options.images),
                                     {options.top, options.steps, options.probes}, rng);
  spectrum.vectors.reset();
  return {band, low, high, std::move(spectrum)};
}

}  // namespace

void measure_parameter_spectrum(FisherJob& job) {
  const FisherNetwork network(job), whole(job, /*bands=*/1);
  const auto& options = job.options.parameters;
  Progress progress("eigenvalues", "bands", options.bands + 1);
  std::vector<BandSpectrum> bands;
  for (int64_t k = 0; k <= options.bands; ++k) {
    stop_if_interrupted();
    bands.push_back(k < options.bands ? measured(job, network, k, std::to_string(k))
                                      : measured(job, whole, 0, kAll));
    progress.update(k + 1);
  }
  progress.clear();
  std::string lines;
  for (const auto& band : bands) lines += to_json(band, options.ridge).dump() + "\n";
  write_file_atomically(job.path("parameter_spectrum.jsonl"), lines);
  const auto draw = [&](const char* what, const char* file, const Plot& plot) {
    warn_without_plot(what, write_plot(job.path(file), plot).reason);
  };
  draw("eigenvalues", "parameter_spectrum.png", eigenvalue_plot(bands));
  draw("spectral density", "spectral_density.png", density_plot(bands, options.steps));
  draw("effective parameters", "effective_parameters.png", effective_plot(bands, options.steps));
  fmt::print("Its spectrum, on {} images a band and as many of all:\n{}", options.images,
             to_text(summary_of(bands, options.ridge)));
}

}  // namespace halcyon
