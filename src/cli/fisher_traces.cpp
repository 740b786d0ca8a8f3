#include <fmt/format.h>

#include <cmath>

#include "cli/estimate_text.h"
#include "cli/fisher_network.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "core/torch.h"
#include "fisher/parameter_information.h"
#include "io/colour_map.h"
#include "io/image_grid.h"
#include "io/safetensors.h"
#include "io/table.h"

namespace halcyon {
namespace {

constexpr const char* kAll = "all";

/// Of one band, or of all together.
struct BandTraces {
  std::string band;
  double sigma_low, sigma_high;
  std::vector<Estimate> fisher, gauss_newton, empirical;  ///< layers, then all of them
  Estimate signal_to_noise = {};
};

std::vector<Estimate> estimates(const BlockTraces& traces) {
  std::vector<Estimate> found;
  for (int64_t i = 0; i < traces.blocks(); ++i) found.push_back(traces.block(i));
  found.push_back(traces.total());
  return found;
}

/// Of independent estimates.
std::vector<Estimate> mean_over(const std::vector<BandTraces>& bands,
                                std::vector<Estimate> BandTraces::*which) {
  std::vector<Estimate> means((bands.front().*which).size());
  const auto count = static_cast<double>(bands.size());
  for (size_t i = 0; i < means.size(); ++i) {
    double variance = 0;
    for (const auto& band : bands) {
      const auto& estimate = (band.*which)[i];
      means[i].value += estimate.value / count;
      means[i].count += estimate.count;
      variance += std::pow(estimate.standard_error / count, 2);
    }
    means[i].standard_error = std::sqrt(variance);
  }
  return means;
}

ParameterInformation measure_band(const FisherJob& job, const FisherNetwork& network, int64_t k) {
  const auto& options = job.options.parameters;
  ParameterInformation information(network.space());
  auto rng = network.generator("traces", k);
  for (int64_t i = 0; i < options.draws; ++i) {
    information.add_sampled(network.denoiser(), network.batch("targets", k, i, options.batch), rng);
    stop_if_interrupted();
  }
  for (int64_t i = 0; i < options.products; ++i) {
    information.add_product(network.denoiser(), network.batch("products", k, i, options.batch),
                            rng);
    stop_if_interrupted();
  }
  information.add_empirical(network.denoiser(), network.batch("data", k, 0, options.images));
  return information;
}

BandTraces traces_of(const ParameterInformation& information, const RegressionBands& bands,
                     int64_t k) {
  const auto [low, high] = bands.range(k);
  return {std::to_string(k),
          low,
          high,
          estimates(information.sampled()),
          estimates(information.product()),
          estimates(information.empirical()),
          information.signal_to_noise()};
}

Table table_of(const FisherJob& job, const std::vector<BandTraces>& bands,
               const std::vector<ParameterSpace::Block>& layers) {
  Table table{.columns = {"step", "weights", "weighting", "band", "sigma_low", "sigma_high",
                          "layer", "parameters", "fisher", "fisher_se", "gauss_newton",
                          "gauss_newton_se", "empirical", "empirical_se", "gradient_snr",
                          "gradient_snr_se"}};
  for (const auto& band : bands) {
    for (size_t i = 0; i < layers.size(); ++i) {
      std::vector<Cell> row = {static_cast<double>(job.model.step),
                               job.model.weights,
                               to_text(job.options.parameters.weighting),
                               band.band,
                               band.sigma_low,
                               band.sigma_high,
                               layers[i].name,
                               static_cast<double>(layers[i].count)};
      for (const auto* estimate : {&band.fisher[i], &band.gauss_newton[i], &band.empirical[i]}) {
        row.insert(row.end(), {estimate->value, estimate->standard_error});
      }
      const bool known = layers[i].name == kAll && band.signal_to_noise.count > 0;
      const auto& snr = band.signal_to_noise;
      if (known) row.insert(row.end(), {snr.value, snr.standard_error});
      row.resize(table.columns.size());
      table.rows.push_back(row);
    }
  }
  return table;
}

/// log10 of the information a parameter, layers down and bands across.
void write_picture(const std::string& path, const std::vector<BandTraces>& bands,
                   const std::vector<ParameterSpace::Block>& layers) {
  constexpr int64_t kSide = 22;
  std::vector<std::vector<double>> values;
  double low = 1e300, high = -1e300;
  for (size_t i = 0; i < layers.size(); ++i) {
    values.emplace_back();
    for (const auto& band : bands) {
      const double value = std::log10(band.fisher[i].value / static_cast<double>(layers[i].count));
      values.back().push_back(value);
      if (!std::isfinite(value)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  high = std::max(high, low + 1e-3);
  std::vector<LabelledRow> rows;
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto cells = torch::tensor(values[i], torch::kFloat64).view({-1, 1, 1, 1});
    rows.push_back({layers[i].name,
                    heat_map(cells.expand({-1, 1, kSide, 4 * kSide}), {.low = low, .high = high})});
  }
  std::vector<std::string> captions, ticks;
  for (const auto& band : bands) {
    captions.push_back(
        band.band == kAll ? kAll : fmt::format("{:.2g}..{:.2g}", band.sigma_low, band.sigma_high));
  }
  for (int i = 0; i <= 4; ++i) ticks.push_back(fmt::format("{:.1f}", low + (high - low) * i / 4));
  write_png(path, with_colour_bar(labelled_rows(rows, captions, /*scale=*/1), ColourMap::viridis,
                                  ticks, "log10 of the Fisher information a parameter"));
}

void write_diagonal(const std::string& path, const std::string& content, const FisherJob& job,
                    const ParameterSpace& space, const torch::Tensor& diagonal) {
  TensorMap tensors;
  const auto shaped = space.shaped(diagonal.to(torch::kFloat32));
  for (size_t i = 0; i < shaped.size(); ++i) tensors[space.blocks()[i].name] = shaped[i];
  const auto& options = job.options.parameters;
  write_safetensors(path, tensors,
                    {{"content", content},
                     {"weighting", to_text(options.weighting)},
                     {"draws", std::to_string(options.draws * options.bands)},
                     {"batch", std::to_string(options.batch)},
                     {"source", job.model.source},
                     {"weights", job.model.weights},
                     {"step", std::to_string(job.model.step)}});
}

Table summary_of(const std::vector<BandTraces>& bands) {
  Table table{.columns = {"sigma", "tr F", "tr F by products", "tr empirical F", "empirical / true",
                          "gradient SNR"}};
  for (const auto& band : bands) {
    const auto &fisher = band.fisher.back(), &empirical = band.empirical.back();
    const double ratio = empirical.value / fisher.value;
    const double error = ratio * std::hypot(empirical.standard_error / empirical.value,
                                            fisher.standard_error / fisher.value);
    table.rows.push_back(
        {band.band == kAll ? kAll
                           : fmt::format("{:.3g} .. {:.3g}", band.sigma_low, band.sigma_high),
         with_error(fisher), with_error(band.gauss_newton.back()), with_error(empirical),
         with_error({ratio, error, fisher.count}), with_error(band.signal_to_noise)});
  }
  return table;
}

}  // namespace

void measure_parameters(FisherJob& job) {
  const FisherNetwork network(job);
  const auto& bands = network.bands();
  Progress progress("traces", "bands", bands.count());
  std::vector<BandTraces> found;
  const auto count = static_cast<double>(bands.count());
  auto diagonal = torch::zeros({network.space().dim()}, torch::kFloat64);
  auto variance = torch::zeros_like(diagonal);
  for (int64_t k = 0; k < bands.count(); ++k) {
    const auto information = measure_band(job, network, k);
    found.push_back(traces_of(information, bands, k));
    const auto of_band = information.diagonal();
    diagonal += of_band.mean.cpu() / count;
    variance += of_band.variance.cpu() / (count * count);
    progress.update(k + 1);
  }
  progress.clear();
  found.push_back({kAll, found.front().sigma_low, found.back().sigma_high,
                   mean_over(found, &BandTraces::fisher),
                   mean_over(found, &BandTraces::gauss_newton),
                   mean_over(found, &BandTraces::empirical)});
  auto layers = network.space().layers();
  layers.push_back({kAll, 0, network.space().dim()});
  write_csv(job.path("fisher_parameters.csv"), table_of(job, found, layers));
  write_picture(job.path("parameters.png"), found, layers);
  write_diagonal(job.path("parameter_diagonal.safetensors"),
                 "diagonal of the Fisher information, a sample", job, network.space(), diagonal);
  write_diagonal(job.path("parameter_diagonal_se.safetensors"), "its standard errors", job,
                 network.space(), variance.sqrt());
  job.summary["parameters"] = {{"count", network.space().dim()},
                               {"fisher", to_json(found.back().fisher.back())},
                               {"gauss_newton", to_json(found.back().gauss_newton.back())},
                               {"empirical", to_json(found.back().empirical.back())}};
  fmt::print("Fisher information of {} parameters, of one image ({} weighting):\n{}",
             network.space().dim(), to_text(job.options.parameters.weighting),
             to_text(summary_of(found)));
}

}  // namespace halcyon
