#include "cli/fisher_jacobian.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "core/random.h"
#include "core/torch.h"
#include "io/plots.h"
#include "io/table.h"

namespace halcyon {
namespace {

Table jacobian_table(int64_t step, const std::vector<JacobianRow>& rows) {
  Table table{.columns = {"step", "sigma", "n", "jac_asymmetry", "jac_asymmetry_se", "jac_ritz_min",
                          "jac_fro2", "jac_fro2_se", "jac_trace", "jac_trace_se", "tweedie2_slope",
                          "tweedie2_slope_se"},
              .rows = {}};
  for (const auto& row : rows) {
    const auto& e = row.estimates;
    table.rows.push_back({static_cast<double>(step), e.sigma,
                          static_cast<double>(e.asymmetry.count), e.asymmetry.value,
                          e.asymmetry.standard_error, row.ritz_min, e.frobenius.value,
                          e.frobenius.standard_error, e.trace.value, e.trace.standard_error,
                          e.tweedie_slope.value, e.tweedie_slope.standard_error});
  }
  return table;
}

Table reliability_table(int64_t step, double dim, const std::vector<JacobianRow>& rows) {
  Table table{.columns = {"step", "sigma", "bin", "n", "predicted_mse", "predicted_mse_se",
                          "realised_mse", "realised_mse_se"},
              .rows = {}};
  for (const auto& row : rows) {
    double index = 0;
    for (const auto& bin : row.estimates.reliability) {
      table.rows.push_back({static_cast<double>(step), row.estimates.sigma, index++,
                            static_cast<double>(bin.realised.count), bin.predicted.value / dim,
                            bin.predicted.standard_error / dim, bin.realised.value / dim,
                            bin.realised.standard_error / dim});
    }
  }
  return table;
}

Plot reliability_plot(double dim, const std::vector<JacobianRow>& rows) {
  Plot plot{.title = "Does the Jacobian predict the denoising error?",
            .x_label = "predicted sigma^2 tr grad D / d, in (model units)^2",
            .y_label = "realised |x_0 - D|^2 / d  (bars: 2 standard errors)",
            .log_x = true,
            .log_y = true};
  double low = std::numeric_limits<double>::infinity(), high = 0;
  for (const auto& row : rows) {
    PlotSeries series{.title = fmt::format("sigma {:.3g}", row.estimates.sigma), .x = {}, .y = {}};
    for (const auto& bin : row.estimates.reliability) {
      series.x.push_back(bin.predicted.value / dim);
      series.y.push_back(bin.realised.value / dim);
      series.y_error.push_back(2 * bin.realised.standard_error / dim);
      if (series.x.back() > 0) low = std::min(low, series.x.back());
      high = std::max(high, series.x.back());
    }
    plot.series.push_back(series);
  }
  plot.series.push_back(
      {.title = "as predicted", .x = {low, high}, .y = {low, high}, .dashed = true});
  return plot;
}

}  // namespace

std::vector<JacobianRow> measure_jacobians(Denoiser& denoiser, const torch::Tensor& x0,
                                           const std::vector<double>& sigmas,
                                           const JacobianOptions& options, uint64_t seed,
                                           const std::function<void(int64_t)>& on_level) {
  std::vector<JacobianRow> rows;
  for (const double sigma : sigmas) {
    const auto k = static_cast<int64_t>(rows.size());
    auto noise_rng = make_generator(seed, "jacobian noise", k, x0.device());
    auto probe_rng = make_generator(seed, "jacobian probes", k, x0.device());
    auto lanczos_rng = make_generator(seed, "jacobian lanczos", k);
    const auto noise = torch::randn(x0.sizes(), noise_rng, x0.options());
    JacobianLevel level(sigma, options.probes);
    for (int64_t begin = 0; begin < x0.size(0); begin += options.batch) {
      const int64_t size = std::min(options.batch, x0.size(0) - begin);
      level.add(denoiser, x0.narrow(0, begin, size), noise.narrow(0, begin, size), probe_rng);
    }
    const auto few = (x0 + sigma * noise).narrow(0, 0, std::min(options.ritz_images, x0.size(0)));
    rows.push_back({level.estimates(options.bins),
                    smallest_ritz_value(denoiser, few, sigma, options.ritz_steps, lanczos_rng)});
    on_level(k + 1);
  }
  return rows;
}

std::string write_jacobians(const std::string& folder, int64_t step, int64_t dim,
                            const std::vector<JacobianRow>& rows) {
  const auto d = static_cast<double>(dim);
  write_csv(folder + "/fisher_jacobian.csv", jacobian_table(step, rows));
  write_csv(folder + "/reliability.csv", reliability_table(step, d, rows));
  const auto result = write_plot(folder + "/reliability.png", reliability_plot(d, rows));
  return result.written ? "" : result.reason;
}

}  // namespace halcyon
