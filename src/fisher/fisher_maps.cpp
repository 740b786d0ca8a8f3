#include "fisher/fisher_maps.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/torch.h"
#include "fisher/denoiser_jacobian.h"
#include "fisher/log_sigma_quadrature.h"

namespace halcyon {
namespace {

std::vector<double> trapezoid_weights(const std::vector<FisherMaps>& levels) {
  std::vector<double> sigmas;
  for (const auto& level : levels) sigmas.push_back(level.sigma);
  return log_sigma_weights(sigmas);
}

/// sum_k weights_k maps_k of independent maps.
MapEstimate weighted_sum(const std::vector<double>& weights, const std::vector<MapEstimate>& maps) {
  auto value = torch::zeros_like(maps[0].value);
  auto variance = torch::zeros_like(value);
  int64_t count = maps[0].count;
  for (size_t k = 0; k < maps.size(); ++k) {
    value += weights[k] * maps[k].value;
    variance += (weights[k] * maps[k].standard_error).square();
    count = std::min(count, maps[k].count);
  }
  return {value, variance.sqrt(), count};
}

}  // namespace

void MapMoments::add(const torch::Tensor& sample) {
  const auto x = sample.detach().to(torch::kCPU, torch::kFloat64);
  if (count_ == 0) {
    mean_ = torch::zeros_like(x);
    squares_ = torch::zeros_like(x);
  }
  const auto delta = x - mean_;
  mean_ += delta / static_cast<double>(++count_);
  squares_ += delta * (x - mean_);
}

MapEstimate MapMoments::estimate() const {
  if (count_ == 0) return {};
  if (count_ < 2) {
    return {mean_.clone(), torch::full_like(mean_, std::numeric_limits<double>::quiet_NaN()),
            count_};
  }
  const auto n = static_cast<double>(count_);
  return {mean_.clone(), (squares_ / (n * (n - 1))).sqrt(), count_};
}

FisherMapLevel::FisherMapLevel(double sigma, int64_t patch) : sigma_(sigma), patch_(patch) {
  TORCH_CHECK(sigma > 0, "FisherMapLevel: want sigma > 0, got ", sigma);
}

void FisherMapLevel::add(Denoiser& denoiser, const torch::Tensor& x0, const torch::Tensor& noise,
                         at::Generator& rng, Denoiser* conditional) {
  const auto x = x0 + sigma_ * noise;
  const auto sigma = torch::full({x.size(0)}, sigma_, x.options());
  const DenoiserJacobian at(denoiser, x, sigma);
  const auto denoised = at.denoised();
  const auto v = rademacher_like(x, rng);
  const auto product = at.vjp(v);  // (A^T v)^2 has the mean (A^T A)_ii

  const torch::NoGradGuard no_grad;
  const auto add_to = [&](MapMoments& moments, const torch::Tensor& sample) {
    moments.add(region_sum(sample.to(torch::kFloat64), patch_));
  };
  add_to(fisher_, ((x - denoised) / sigma_).square());
  const auto diagonal = v * product;  // has the mean A_ii
  add_to(observed_, 1 - diagonal);
  add_to(posterior_, sigma_ * sigma_ * diagonal);
  add_to(error_, (x0 - denoised).square());
  add_to(sensitivity_, product.square());
  if (conditional != nullptr) {
    add_to(class_, ((conditional->denoise(x, sigma) - denoised) / sigma_).square());
  }
}

FisherMaps FisherMapLevel::maps() const {
  return {sigma_,
          fisher_.estimate(),
          observed_.estimate(),
          error_.estimate(),
          posterior_.estimate(),
          sensitivity_.estimate(),
          class_.estimate()};
}

FisherMaps measure_maps(Denoiser& denoiser, const torch::Tensor& x0, double sigma, int64_t draws,
                        at::Generator& rng, Denoiser* conditional) {
  FisherMapLevel level(sigma);
  for (int64_t k = 0; k < draws; ++k) {
    level.add(denoiser, x0, torch::randn(x0.sizes(), rng, x0.options()), rng, conditional);
  }
  return level.maps();
}

MapEstimate nll_map(const std::vector<FisherMaps>& levels) {
  auto weights = trapezoid_weights(levels);
  std::vector<MapEstimate> errors;
  for (size_t k = 0; k < levels.size(); ++k) {
    weights[k] /= levels[k].sigma * levels[k].sigma;
    errors.push_back(levels[k].error);
  }
  return weighted_sum(weights, errors);
}

MapEstimate class_information_map(const std::vector<FisherMaps>& levels) {
  const auto weights = trapezoid_weights(levels);
  std::vector<MapEstimate> maps;
  for (const auto& level : levels) {
    TORCH_CHECK(level.class_map.value.defined(), "no class map at sigma ", level.sigma);
    maps.push_back(level.class_map);
  }
  return weighted_sum(weights, maps);
}

MapEstimate mean_over_images(const MapEstimate& map) {
  const auto count = map.value.size(0);
  return {
      map.value.mean(0, /*keepdim=*/true),
      map.value.std(0, /*unbiased=*/true, /*keepdim=*/true) / std::sqrt(static_cast<double>(count)),
      count};
}

torch::Tensor region_sum(const torch::Tensor& map, int64_t patch) {
  TORCH_CHECK(map.dim() == 4 && patch > 0, "region_sum wants [N, C, H, W] and a patch > 0, got ",
              map.sizes(), " and ", patch);
  const auto missing = [patch](int64_t side) { return (patch - side % patch) % patch; };
  const auto padded =
      torch::constant_pad_nd(map, {0, missing(map.size(3)), 0, missing(map.size(2))});
  return padded
      .view(
          {map.size(0), map.size(1), padded.size(2) / patch, patch, padded.size(3) / patch, patch})
      .sum({3, 5});
}

}  // namespace halcyon
