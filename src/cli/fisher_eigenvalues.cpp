#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "cli/estimate_text.h"
#include "cli/fisher_network.h"
#include "cli/interrupt.h"
#include "cli/plot_warning.h"
#include "cli/progress.h"
#include "fisher/parameter_spectrum.h"
#include "io/atomic_file.h"
#include "io/plots.h"
#include "io/table.h"

namespace halcyon {
namespace {

struct BandSpectrum {
  double sigma_low, sigma_high;
  ParameterSpectrum spectrum;
};

std::string title(const BandSpectrum& band) {
  return fmt::format("sigma {:.2g} .. {:.2g}", band.sigma_low, band.sigma_high);
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
  return {{"sigma_low", band.sigma_low},
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
    PlotSeries series{.title = title(bands[k]), .x = {}, .y = {}};
    series.colour =
        sequential_colour((1.0 + static_cast<double>(k)) / static_cast<double>(bands.size()));
    for (const auto& value : bands[k].spectrum.leading) {
      series.x.push_back(static_cast<double>(series.x.size() + 1));
      series.y.push_back(value.value);
      series.y_error.push_back(2 * value.standard_error);
    }
    plot.series.push_back(series);
  }
  return plot;
}

/// Down to where Lanczos of `steps` steps still tells eigenvalues from 0.
Plot effective_plot(const std::vector<BandSpectrum>& bands, int64_t steps) {
  const double resolved = 2 * std::log10(static_cast<double>(steps));
  Plot plot{.title = "Parameters that the data settle",
            .x_label = "ridge",
            .y_label = "tr F / (F + ridge)  (2 standard errors)",
            .log_x = true,
            .log_y = true};
  for (size_t k = 0; k < bands.size(); ++k) {
    const auto& spectrum = bands[k].spectrum;
    PlotSeries series{.title = title(bands[k]), .x = {}, .y = {}};
    series.fill = Fill::band;
    series.colour =
        sequential_colour((1.0 + static_cast<double>(k)) / static_cast<double>(bands.size()));
    const double top = std::log10(spectrum.leading.front().value);
    for (double power = top; power > top - resolved; power -= 0.1) {
      const auto effective = spectrum.effective_parameters(std::pow(10, power));
      series.x.push_back(std::pow(10, power));
      series.y.push_back(effective.value);
      series.y_error.push_back(2 * effective.standard_error);
    }
    plot.series.push_back(series);
  }
  return plot;
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
    table.rows.push_back({fmt::format("{:.3g} .. {:.3g}", band.sigma_low, band.sigma_high),
                          with_error(largest), with_error({share, error, largest.count}),
                          with_error(s.participation_ratio()),
                          with_error(s.effective_parameters(ridge_of(band, share_of_ridge))),
                          static_cast<double>(s.rank_bound)});
  }
  return table;
}

}  // namespace

void measure_parameter_spectrum(FisherJob& job) {
  const FisherNetwork network(job);
  const auto& options = job.options.parameters;
  Progress progress("eigenvalues", "bands", options.bands);
  std::vector<BandSpectrum> bands;
  std::string lines;
  for (int64_t k = 0; k < options.bands; ++k) {
    auto rng = network.generator("spectrum", k);
    const auto [low, high] = network.bands().range(k);
    bands.push_back({low, high,
                     parameter_spectrum(network.denoiser(), network.space(),
                                        network.batch("spectrum", k, 0, options.images),
                                        {options.top, options.steps, options.probes}, rng)});
    bands.back().spectrum.vectors.reset();
    lines += to_json(bands.back(), options.ridge).dump() + "\n";
    progress.update(k + 1);
    stop_if_interrupted();
  }
  progress.clear();
  write_file_atomically(job.path("parameter_spectrum.jsonl"), lines);
  const auto eigenvalues = write_plot(job.path("parameter_spectrum.png"), eigenvalue_plot(bands));
  warn_without_plot("eigenvalues", eigenvalues.reason);
  const auto effective =
      write_plot(job.path("effective_parameters.png"), effective_plot(bands, options.steps));
  warn_without_plot("effective parameters", effective.reason);
  fmt::print("Its spectrum, on {} images a band:\n{}", options.images,
             to_text(summary_of(bands, options.ridge)));
}

}  // namespace halcyon
