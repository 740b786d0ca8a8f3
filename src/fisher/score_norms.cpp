#include "fisher/score_norms.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/torch.h"

namespace halcyon {

ScoreNorms::ScoreNorms(double sigma_min, double sigma_max, int64_t bands)
    : log_sigma_min_(std::log(sigma_min)),
      log_width_(std::log(sigma_max / sigma_min) / static_cast<double>(bands)),
      count_(bands) {
  clear();
}

void ScoreNorms::add(const torch::Tensor& x0, const torch::Tensor& noise,
                     const torch::Tensor& sigma, const torch::Tensor& denoised) {
  const torch::NoGradGuard no_grad;
  const auto left = (x0 - denoised).flatten(1).to(torch::kFloat32);
  const auto level = sigma.to(torch::kFloat32).unsqueeze(1);
  const auto score = left / level + noise.flatten(1);  // -sigma s
  const auto norm = score.square().mean(1).sqrt().to(torch::kCPU, torch::kFloat64);
  const auto log_sigma = sigma.to(torch::kCPU, torch::kFloat64).log();
  const auto band =
      ((log_sigma - log_sigma_min_) / log_width_).floor().clamp(0, count_ - 1).to(torch::kInt64);
  const auto bucket = ((norm / kBucketWidth).ceil() - 1).clamp(0, kBuckets).to(torch::kInt64);
  auto counts = counts_.accessor<double, 2>(), moments = moments_.accessor<double, 2>();
  const auto values = norm.accessor<double, 1>();
  const auto bands = band.accessor<int64_t, 1>(), buckets = bucket.accessor<int64_t, 1>();
  for (int64_t i = 0; i < norm.size(0); ++i) {
    counts[bands[i]][buckets[i]] += 1;
    auto of_band = moments[bands[i]];
    of_band[0] = std::min(of_band[0], values[i]);
    of_band[1] = std::max(of_band[1], values[i]);
    of_band[2] += values[i];
    of_band[3] += values[i] * values[i];
  }
}

std::vector<ScoreNorms::Band> ScoreNorms::bands() const {
  std::vector<Band> bands;
  const auto counts = counts_.accessor<double, 2>(), moments = moments_.accessor<double, 2>();
  for (int64_t i = 0; i < count_; ++i) {
    const auto edge = [&](int64_t k) {
      return std::exp(log_sigma_min_ + log_width_ * static_cast<double>(k));
    };
    Band band{.sigma_low = edge(i), .sigma_high = edge(i + 1)};
    for (int64_t k = 0; k <= kBuckets; ++k) band.counts.push_back(counts[i][k]);
    for (const double count : band.counts) band.count += count;
    if (band.count == 0) continue;
    band.min = moments[i][0];
    band.max = moments[i][1];
    band.sum = moments[i][2];
    band.sum_squares = moments[i][3];
    bands.push_back(std::move(band));
  }
  return bands;
}

void ScoreNorms::clear() {
  counts_ = torch::zeros({count_, kBuckets + 1}, torch::kFloat64);
  moments_ = torch::zeros({count_, 4}, torch::kFloat64);
  moments_.select(1, 0).fill_(std::numeric_limits<double>::infinity());
}

TensorMap ScoreNorms::state() const { return {{"counts", counts_}, {"moments", moments_}}; }

void ScoreNorms::load(const TensorMap& state) {
  require_same_layout(state, this->state());
  counts_ = state.at("counts").clone();
  moments_ = state.at("moments").clone();
}

}  // namespace halcyon
