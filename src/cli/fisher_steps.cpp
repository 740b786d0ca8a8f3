#include <fmt/format.h>

#include <cmath>

#include "cli/estimate_text.h"
#include "cli/fisher_network.h"
#include "cli/interrupt.h"
#include "cli/plot_warning.h"
#include "cli/progress.h"
#include "core/torch.h"
#include "curvature/parameter_jacobian.h"
#include "fisher/divergence_of_step.h"
#include "fisher/parameter_spectrum.h"
#include "io/plots.h"
#include "io/table.h"

namespace halcyon {
namespace {

/// The network in float64 for as long as it lives; float32 comes back from it as it was.
class ScopedDouble {
 public:
  explicit ScopedDouble(ScoreNetwork& network) : network_(network) { network.to(torch::kFloat64); }
  ~ScopedDouble() { network_.to(torch::kFloat32); }
  ScopedDouble(const ScopedDouble&) = delete;
  ScopedDouble& operator=(const ScopedDouble&) = delete;

 private:
  ScoreNetwork& network_;
};

RegressionBatch in_double(const RegressionBatch& batch) {
  const auto type = torch::kFloat64;
  return {batch.x0.to(type), batch.x.to(type), batch.sigma.to(type), batch.tau.to(type)};
}

struct Direction {
  std::string name;
  torch::Tensor vector;  ///< of norm 1
};

/// Radii, from where the quadratic form foretells 1 nat on, down by factors of 10^1/2.
std::vector<double> radii(double curvature) {
  constexpr int kRadii = 13;
  std::vector<double> found;
  for (int i = 0; i < kRadii; ++i) {
    found.push_back(std::sqrt(2 / curvature) * std::pow(10, -0.5 * i));
  }
  return found;
}

struct Measured {
  std::string direction;
  StepDivergence divergence;
};

Table table_of(const std::vector<Measured>& all) {
  Table table{.columns = {"direction", "radius", "kl", "kl_se", "quadratic", "quadratic_se",
                          "ratio", "ratio_se"}};
  for (const auto& [name, d] : all) {
    for (size_t i = 0; i < d.radii.size(); ++i) {
      table.rows.push_back({name, d.radii[i], d.measured[i].value, d.measured[i].standard_error,
                            d.foretold[i].value, d.foretold[i].standard_error, d.ratio[i].value,
                            d.ratio[i].standard_error});
    }
  }
  return table;
}

Plot plot_of(const std::vector<Measured>& all) {
  Plot plot{.title = "Divergence of a step of the parameters",
            .x_label = "length of the step",
            .y_label = "KL, nats an image  (lines: half the quadratic form)",
            .log_x = true,
            .log_y = true};
  const auto colours = std::vector<std::string>{"#1f77b4", "#d62728", "#2ca02c"};
  for (size_t i = 0; i < all.size(); ++i) {
    const auto& d = all[i].divergence;
    PlotSeries points{.title = fmt::format("{}: slope {}", all[i].direction, with_error(d.slope)),
                      .x = d.radii,
                      .y = {}};
    PlotSeries line{.title = "", .x = d.radii, .y = {}};
    points.colour = line.colour = colours[i % colours.size()];
    for (size_t j = 0; j < d.radii.size(); ++j) {
      points.y.push_back(d.measured[j].value);
      points.y_error.push_back(2 * d.measured[j].standard_error);
      line.y.push_back(d.foretold[j].value);
    }
    plot.series.push_back(line);
    plot.series.push_back(points);
  }
  return plot;
}

}  // namespace

void measure_parameter_steps(FisherJob& job) {
  const FisherNetwork network(job);
  const auto& options = job.options.parameters;
  const int64_t band = options.bands / 2;
  const auto batch = in_double(network.batch("steps", band, 0, options.images));
  const ScopedDouble precise(*job.model.network);
  auto rng = network.generator("steps", band);
  Progress progress("steps", "directions", 3);
  const auto spectrum = parameter_spectrum(network.denoiser(), network.space(), batch,
                                           {.top = 1, .steps = options.steps, .probes = 1}, rng);
  progress.update(1);
  const auto random = torch::randn({network.space().dim()}, rng, spectrum.vectors.options());
  std::vector<Measured> all;
  for (const auto& [name, vector] :
       {Direction{"leading", spectrum.vectors[0]}, Direction{"random", random / random.norm()}}) {
    const ParameterJacobian jacobian(network.denoiser(), network.space(), batch);
    const double curvature = jacobian.fisher_product(vector).dot(vector).item<double>();
    all.push_back({name, step_divergence(network.denoiser(), network.space(), batch, vector,
                                         radii(curvature))});
    progress.update(1 + static_cast<int64_t>(all.size()));
    stop_if_interrupted();
  }
  progress.clear();
  write_csv(job.path("parameter_steps.csv"), table_of(all));
  warn_without_plot("steps", write_plot(job.path("parameter_steps.png"), plot_of(all)).reason);
  const auto [low, high] = network.bands().range(band);
  for (const auto& [name, d] : all) {
    job.summary["kl_slope"][name] = to_json(d.slope);
    fmt::print(
        "KL of a {} step, sigma {:.3g} .. {:.3g}: slope {} from 1e-12 to 1 nat; over its "
        "quadratic form {} at the smallest\n",
        name, low, high, with_error(d.slope), with_error(d.ratio.back()));
  }
}

}  // namespace halcyon
