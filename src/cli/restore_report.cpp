#include "cli/restore_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/estimate_text.h"
#include "cli/restore_task.h"
#include "core/torch.h"
#include "data/image_set.h"
#include "io/image_grid.h"

namespace halcyon {
namespace {

/// [N, 1] from [N].
torch::Tensor column(const torch::Tensor& values) {
  return values.to(torch::kFloat64).unsqueeze(1);
}

/// [N] from [N, C, H, W].
torch::Tensor mean_square(const torch::Tensor& x) {
  return x.to(torch::kFloat64).square().flatten(1).mean(1);
}

torch::Tensor psnr(const torch::Tensor& x, const torch::Tensor& truth) {
  return 10 * (4 / mean_square(x - truth)).log10();
}

/// Over the draws of each image.
torch::Tensor mean_of_draws(const torch::Tensor& per_draw, const torch::Tensor& samples) {
  return per_draw.reshape({samples.size(0), samples.size(1)}).mean(1);
}

torch::Tensor spread(const torch::Tensor& samples) {
  return samples.size(1) > 1 ? samples.std(1) : torch::zeros_like(samples.select(1, 0));
}

}  // namespace

void RestorationMoments::add(const Restored& restored) {
  const auto& [truth, y, samples] = restored;
  const auto draws = samples.flatten(0, 1);
  const auto of_draws = [&](const torch::Tensor& t) {
    return t.repeat_interleave(samples.size(1), 0);
  };
  const auto misfit = of_draws(y) - measure_.apply(draws);
  residual_.add(column(mean_of_draws(mean_square(misfit).sqrt(), samples)));
  spread_.add(column(mean_square(spread(samples)).sqrt()));
  if (!truth.defined()) return;
  const auto mean = samples.mean(1);
  psnr_measurement_.add(column(psnr(as_picture(measure_, y), truth)));
  psnr_sample_.add(column(mean_of_draws(psnr(draws, of_draws(truth)), samples)));
  psnr_mean_.add(column(psnr(mean, truth)));
  error_.add(column(mean_square(mean - truth).sqrt()));
}

RestoredFigures RestorationMoments::figures() const {
  const auto mean = [](const SampleMoments& moments) {
    return moments.count() > 0 ? moments.mean(0) : Estimate();
  };
  return {mean(psnr_measurement_), mean(psnr_sample_), mean(psnr_mean_),
          mean(residual_),         mean(error_),       mean(spread_)};
}

nlohmann::ordered_json to_json(const RestoredFigures& figures, double noise) {
  const auto known = [](const Estimate& e) -> nlohmann::ordered_json {
    return e.count > 0 ? nlohmann::ordered_json(to_json(e)) : nlohmann::ordered_json();
  };
  nlohmann::ordered_json per_noise;
  if (noise > 0) {
    per_noise = to_json(Estimate{figures.residual.value / noise,
                                 figures.residual.standard_error / noise, figures.residual.count});
  }
  return {{"psnr_measurement", known(figures.psnr_measurement)},
          {"psnr_sample", known(figures.psnr_sample)},
          {"psnr_mean", known(figures.psnr_mean)},
          {"residual", known(figures.residual)},
          {"residual_per_noise", per_noise},
          {"error_of_mean", known(figures.error)},
          {"spread", known(figures.spread)}};
}

void write_restored_picture(const std::string& path, const Restored& restored,
                            const LinearOperator& measure) {
  const auto shown = std::min(kMostShown, restored.samples.size(0));
  const auto samples = restored.samples.narrow(0, 0, shown);
  std::vector<LabelledRow> rows;
  if (restored.truth.defined()) {
    rows.push_back({"truth", to_pixels(restored.truth.narrow(0, 0, shown))});
  }
  rows.push_back(
      {"measured", to_pixels(as_picture(measure, restored.y.narrow(0, 0, shown)).contiguous())});
  for (int64_t k = 0; k < std::min<int64_t>(4, samples.size(1)); ++k) {
    rows.push_back({fmt::format("draw {}", k + 1), to_pixels(samples.select(1, k))});
  }
  if (samples.size(1) > 1) {
    const auto deviation = spread(samples);
    // White is the 99.5 % quantile: a few pixels would leave all others black.
    const auto top = std::max(deviation.flatten().quantile(0.995).item<double>(), 1e-12);
    rows.push_back({"mean", to_pixels(samples.mean(1))});
    rows.push_back({fmt::format("std, 0\nto {:.2g}", top), to_pixels(2 * deviation / top - 1)});
  }
  std::vector<std::string> captions;
  for (int64_t i = 0; i < shown; ++i) captions.push_back(fmt::format("{}", i + 1));
  write_png(path, labelled_rows(rows, captions, std::max<int64_t>(1, 64 / samples.size(3))));
}

}  // namespace halcyon
