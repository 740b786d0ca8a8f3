#include "cli/fisher_spectrum.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/random.h"
#include "core/torch.h"
#include "data/image_set.h"
#include "io/atomic_file.h"
#include "io/image_grid.h"
#include "io/plots.h"

namespace halcyon {
namespace {

std::vector<double> numbers(const torch::Tensor& t) {
  const auto values = t.contiguous();
  return {values.data_ptr<double>(), values.data_ptr<double>() + values.numel()};
}

nlohmann::json record(int64_t step, const DenoiserSpectrum& s) {
  return {{"step", step},
          {"sigma", s.sigma},
          {"matrix", "M"},
          {"method", "lanczos"},
          {"n", s.images},
          {"eigenvalues", numbers(s.eigenvalues)},
          {"eigenvalue_se", numbers(s.eigenvalue_errors)},
          {"ritz_residual", numbers(s.ritz_residuals)},
          {"ritz_min", s.smallest},
          {"trace", s.trace.value},
          {"trace_se", s.trace.standard_error},
          {"score_erank", s.score_effective_rank}};
}

void write_eigen_images(const std::string& path, const std::vector<DenoiserSpectrum>& spectra) {
  std::vector<LabelledRow> rows;
  for (const auto& s : spectra) {
    const auto largest = s.eigen_images.flatten(1).abs().amax({1}).view({-1, 1, 1, 1});
    rows.push_back({fmt::format("sigma {:.3g}", s.sigma), to_pixels(s.eigen_images / largest)});
  }
  std::vector<std::string> captions;
  const auto& first = spectra.front().eigen_images;
  for (int64_t i = 1; i <= first.size(0); ++i) captions.push_back(std::to_string(i));
  write_png(path, labelled_rows(rows, captions, std::max<int64_t>(1, 64 / first.size(2))));
}

Plot spectrum_plot(const std::vector<DenoiserSpectrum>& spectra) {
  Plot plot{.title = "Leading eigenvalues of the mean denoiser Jacobian M = I - sigma^2 F",
            .x_label = "index",
            .y_label = "eigenvalue  (bars: 2 standard errors)"};
  for (const auto& s : spectra) {
    PlotSeries series{.title = fmt::format("sigma {:.3g}", s.sigma), .x = {}, .y = {}};
    series.y = numbers(s.eigenvalues);
    series.y_error = numbers(2 * s.eigenvalue_errors);
    for (size_t i = 1; i <= series.y.size(); ++i) series.x.push_back(static_cast<double>(i));
    plot.series.push_back(series);
  }
  return plot;
}

}  // namespace

std::vector<DenoiserSpectrum> measure_spectra(Denoiser& denoiser, const torch::Tensor& x0,
                                              const std::vector<double>& sigmas,
                                              const SpectrumOptions& options, uint64_t seed,
                                              const std::function<void(int64_t)>& on_level) {
  std::vector<DenoiserSpectrum> spectra;
  for (const double sigma : sigmas) {
    const auto k = static_cast<int64_t>(spectra.size());
    auto noise_rng = make_generator(seed, "spectrum noise", k, x0.device());
    auto lanczos_rng = make_generator(seed, "spectrum lanczos", k);
    const auto x = x0 + sigma * torch::randn(x0.sizes(), noise_rng, x0.options());
    spectra.push_back(denoiser_spectrum(denoiser, x, sigma, options, lanczos_rng));
    on_level(k + 1);
  }
  return spectra;
}

std::string write_spectra(const std::string& folder, int64_t step,
                          const std::vector<DenoiserSpectrum>& spectra) {
  std::string lines;
  for (const auto& s : spectra) lines += record(step, s).dump() + "\n";
  write_file_atomically(folder + "/fisher_spectrum.jsonl", lines);
  write_eigen_images(folder + "/eigen_images.png", spectra);
  const auto result = write_plot(folder + "/spectrum.png", spectrum_plot(spectra));
  return result.written ? "" : result.reason;
}

}  // namespace halcyon
