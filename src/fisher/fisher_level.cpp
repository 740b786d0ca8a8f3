#include "fisher/fisher_level.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <cmath>

#include "core/error.h"
#include "core/require.h"
#include "fisher/fisher_options.h"
#include "fisher/observed_information.h"
#include "fisher/participation_ratio.h"

namespace halcyon {
namespace {

// The variables of SampleMoments, each a mean over the d dimensions of one sample.
enum Variable : int64_t {
  kHat2,      // |eps_hat|^2 / d
  kCross,     // n . eps_hat / d
  kNoise2,    // |n|^2 / d
  kError2,    // |n - eps_hat|^2 / d, kept by itself: the difference of the above would cancel
  kVirial,    // x . eps_hat / (d sigma)
  kJacobian,  // tr grad D / d
  kOne,       // 1, so that constants can stand in linear combinations
  kVariables
};

torch::Tensor mean_product(const torch::Tensor& a, const torch::Tensor& b) {
  return (a * b).mean(1, /*keepdim=*/false, torch::kFloat64);
}

Estimate scaled(const Estimate& estimate, double factor) {
  return {factor * estimate.value, std::abs(factor) * estimate.standard_error, estimate.count};
}

double z_score(const Estimate& estimate, double expected = 0) {
  return (estimate.value - expected) / estimate.standard_error;
}

}  // namespace

Estimate FisherEstimates::fraction(const Estimate& fisher_info) const {
  return scaled(fisher_info, sigma * sigma / static_cast<double>(dim));
}

Estimate FisherEstimates::info_rate() const { return scaled(eps_mse, static_cast<double>(dim)); }

Estimate FisherEstimates::effective_variance() const {
  const double left = 1 - eps_mse.value;
  return {sigma * sigma * eps_mse.value / left,
          sigma * sigma * eps_mse.standard_error / (left * left), eps_mse.count};
}

FisherLevel::FisherLevel(double sigma, int64_t dim, int64_t probes)
    : sigma_(sigma), dim_(dim), probes_(probes), moments_(kVariables) {}

void FisherLevel::add(Denoiser& denoiser, const torch::Tensor& x0, const torch::Tensor& noise,
                      at::Generator& rng) {
  const auto x = x0 + sigma_ * noise;
  const auto sigma = torch::full({x.size(0)}, sigma_, x.options());
  const auto [denoised, trace] = denoise_with_trace(denoiser, x, sigma, probes_, rng);

  const torch::NoGradGuard no_grad;
  const auto n = noise.flatten(1);
  const auto eps_hat = ((x - denoised) / sigma_).flatten(1);
  // n - eps_hat = (D - x_0) / sigma, from the x_0 error: exact also where D is close to x.
  const auto error = ((denoised - x0) / sigma_).flatten(1);
  const auto jacobian = probes_ > 0 ? trace / static_cast<double>(dim_)
                                    : torch::zeros({x.size(0)}, x.options().dtype(torch::kFloat64));
  moments_.add(
      torch::stack({mean_product(eps_hat, eps_hat), mean_product(n, eps_hat), mean_product(n, n),
                    mean_product(error, error), mean_product(x.flatten(1), eps_hat) / sigma_,
                    jacobian, torch::ones_like(jacobian)},
                   /*dim=*/1));
  eps_hat_.push_back(eps_hat.to(torch::kCPU, torch::kFloat32));
}

void FisherLevel::add_mean_score(FisherEstimates& out) const {
  const auto all = torch::cat(eps_hat_);
  const auto n = static_cast<double>(all.size(0));
  const double mean_square = all.mean(0, false, torch::kFloat64).square().sum().item<double>();
  const double trace = moments_.mean(kHat2).value * static_cast<double>(dim_);
  out.mean_score_norm = std::sqrt(mean_square) / sigma_;
  out.mean_score_ratio = n * mean_square / trace;
  out.participation_ratio = participation_ratio(all);
  out.mean_score_z = (out.mean_score_ratio - 1) / std::sqrt(2 / out.participation_ratio);
}

FisherEstimates FisherLevel::estimates() const {
  TORCH_CHECK(moments_.count() > 1, "FisherLevel: want at least 2 samples, got ", moments_.count());
  const double info_unit = static_cast<double>(dim_) / (sigma_ * sigma_);
  using Terms = std::initializer_list<std::pair<Variable, double>>;
  const auto sum = [](Terms terms) {
    std::vector<double> weights(kVariables, 0.0);
    for (const auto& [variable, weight] : terms) weights[variable] = weight;
    return weights;
  };
  const auto information = [&](Terms terms) {
    return scaled(moments_.combination(sum(terms)), info_unit);
  };
  FisherEstimates out;
  out.sigma = sigma_;
  out.dim = dim_;
  out.probes = probes_;
  out.eps_mse = moments_.mean(kError2);
  out.x0_mse = scaled(out.eps_mse, sigma_ * sigma_);
  out.dsm_loss = information({{kError2, 1}});
  out.fisher_info_exp = information({{kHat2, 1}});
  out.fisher_info_stein = information({{kCross, 1}});
  out.fisher_info_low = information({{kOne, 1}, {kError2, -1}});
  out.score_calibration = moments_.ratio(
      probes_ > 0 ? sum({{kOne, 1}, {kJacobian, -1}}) : sum({{kCross, 1}}), sum({{kHat2, 1}}));
  out.virial = moments_.mean(kVirial);
  out.consistency_z = z_score(information({{kHat2, 1}, {kCross, -1}}));
  if (probes_ > 0) {
    out.fisher_info_obs = information({{kOne, 1}, {kJacobian, -1}});
    out.ism_loss = information({{kHat2, 1}, {kOne, -2}, {kJacobian, 2}});
    out.consistency_z = z_score(information({{kHat2, 1}, {kOne, -1}, {kJacobian, 1}}));
    out.dsm_minus_ism_z =
        z_score(information({{kError2, 1}, {kHat2, -1}, {kOne, 1}, {kJacobian, -2}}));
  }
  add_mean_score(out);
  return out;
}

void check_options(const FisherOptions& o) {
  require_option(o.levels >= 2 && o.levels <= 10000, "fisher.levels",
                 "a whole number in 2 .. 10000", o.levels);
  require_option(o.images >= 2, "fisher.images", "a whole number >= 2", o.images);
  require_option(o.probes >= 0, "fisher.probes", "a whole number >= 0", o.probes);
  require_option(o.batch > 0, "fisher.batch", "a whole number > 0", o.batch);
  require_option(0 < o.sigma_min && o.sigma_min < o.sigma_max && std::isfinite(o.sigma_max),
                 "fisher.sigma_min", "0 < sigma_min < sigma_max", o.sigma_min);
}

std::vector<double> log_spaced_levels(double sigma_min, double sigma_max, int64_t count) {
  if (count < 2 || !(0 < sigma_min && sigma_min < sigma_max)) {
    throw ConfigError(
        fmt::format("fisher levels: want levels >= 2 and 0 < sigma_min < sigma_max, got {}, {}, {}",
                    count, sigma_min, sigma_max));
  }
  std::vector<double> levels;
  for (int64_t k = 0; k < count; ++k) {
    levels.push_back(sigma_min * std::pow(sigma_max / sigma_min,
                                          static_cast<double>(k) / static_cast<double>(count - 1)));
  }
  return levels;
}

}  // namespace halcyon
