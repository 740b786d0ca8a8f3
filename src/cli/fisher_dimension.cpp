#include "cli/fisher_dimension.h"

#include <algorithm>

#include "core/random.h"
#include "core/torch.h"
#include "fisher/intrinsic_dimension.h"
#include "io/plots.h"
#include "io/table.h"

namespace halcyon {
namespace {

Estimate bundle_dimension(Denoiser& denoiser, const torch::Tensor& x0, double sigma,
                          const DimensionOptions& options, at::Generator& rng) {
  const auto images = std::min(options.bundle_images, x0.size(0));
  if (images == 0 || x0[0].numel() < 2) return {};
  SampleMoments moments(1);
  for (int64_t i = 0; i < images; ++i) {
    const auto bundle = normal_bundle(denoiser, x0.narrow(0, i, 1), sigma,
                                      options.bundle_draws * x0[0].numel(), options.batch, rng);
    moments.add(torch::full({1, 1}, static_cast<double>(bundle.dimension), torch::kFloat64));
  }
  return moments.mean(0);
}

/// Value and standard error; empty if nothing was measured.
void add_cells(std::vector<Cell>& cells, const Estimate& estimate) {
  for (const double number : {estimate.value, estimate.standard_error}) {
    if (estimate.count > 0) {
      cells.emplace_back(number);
    } else {
      cells.emplace_back();
    }
  }
}

PlotSeries series(const char* title, const std::vector<DimensionRow>& rows,
                  Estimate DimensionRow::*read) {
  PlotSeries out{.title = title, .x = {}, .y = {}};
  for (const auto& row : rows) {
    const auto& estimate = row.*read;
    if (estimate.count == 0) continue;
    out.x.push_back(row.sigma);
    out.y.push_back(estimate.value);
    out.y_error.push_back(2 * estimate.standard_error);
  }
  return out;
}

}  // namespace

std::vector<DimensionRow> measure_dimensions(Denoiser& denoiser, const torch::Tensor& x0,
                                             const std::vector<double>& sigmas,
                                             const DimensionOptions& options, uint64_t seed,
                                             const std::function<void(int64_t)>& on_level) {
  std::vector<DimensionRow> rows;
  for (const double sigma : sigmas) {
    const auto k = static_cast<int64_t>(rows.size());
    auto noise_rng = make_generator(seed, "dimension noise", k, x0.device());
    auto probe_rng = make_generator(seed, "dimension probes", k, x0.device());
    SampleMoments moments(2);
    for (const auto& batch : x0.split(options.batch)) {
      const auto noise = torch::randn(batch.sizes(), noise_rng, batch.options());
      moments.add(torch::stack({mmse_dimension(denoiser, batch, noise, sigma),
                                flipd(denoiser, batch, sigma, options.probes, probe_rng)},
                               1));
    }
    rows.push_back({sigma, moments.mean(0), moments.mean(1),
                    bundle_dimension(denoiser, x0, sigma, options, noise_rng)});
    on_level(k + 1);
  }
  return rows;
}

std::string write_dimensions(const std::string& folder, int64_t step,
                             const std::vector<DimensionRow>& rows) {
  Table table{.columns = {"step", "sigma", "n", "mmse_dimension", "mmse_dimension_se", "flipd",
                          "flipd_se", "n_bundle", "normal_bundle", "normal_bundle_se"},
              .rows = {}};
  for (const auto& row : rows) {
    std::vector<Cell> cells = {static_cast<double>(step), row.sigma,
                               static_cast<double>(row.mmse.count)};
    add_cells(cells, row.mmse);
    add_cells(cells, row.flipd);
    cells.emplace_back(static_cast<double>(row.normal_bundle.count));
    add_cells(cells, row.normal_bundle);
    table.rows.push_back(std::move(cells));
  }
  write_csv(folder + "/intrinsic_dimension.csv", table);
  Plot plot{.title = "Intrinsic dimension that noise of level sigma shows",
            .x_label = "noise level sigma (model units)",
            .y_label = "dimensions  (bars: 2 standard errors)",
            .log_x = true};
  plot.series = {series("mmse / sigma^2", rows, &DimensionRow::mmse),
                 series("FLIPD, at the clean image", rows, &DimensionRow::flipd),
                 series("normal bundle", rows, &DimensionRow::normal_bundle)};
  const auto result = write_plot(folder + "/intrinsic_dimension.png", plot);
  return result.written ? "" : result.reason;
}

}  // namespace halcyon
