#include "fisher/score_moments.h"

#include <cmath>

#include "core/torch.h"

namespace halcyon {
namespace {

// Means over the d dimensions of one sample.
enum Variable : int64_t {
  kHat2,      // |eps_hat|^2 / d
  kCross,     // n . eps_hat / d
  kError2,    // |n - eps_hat|^2 / d, kept by itself: 1 - 2 kCross + kHat2 would cancel
  kVirial,    // x . eps_hat / (d sigma)
  kJacobian,  // tr grad D / d
  kOne,       // 1, so that constants can stand in linear combinations
  kVariables
};
enum Control : int64_t { kNoise2, kDataNoise, kControls };  // kappa_1 / d, kappa_2 / d

torch::Tensor mean_product(const torch::Tensor& a, const torch::Tensor& b) {
  return (a * b).mean(1, /*keepdim=*/false, torch::kFloat64);
}

/// With j the Fisher fraction: j^2, j and (1 - j)^2 of kappa_1 for the first three variables.
torch::Tensor plug_in_coefficients(const SampleMoments& others) {
  auto beta = torch::zeros({kControls, kVariables}, torch::kFloat64);
  if (others.count() == 0) return beta;
  const double j = others.mean(kCross).value;
  beta[kNoise2][kHat2] = j * j;
  beta[kNoise2][kCross] = j;
  beta[kNoise2][kError2] = (1 - j) * (1 - j);
  return beta;
}

ControlledMoments::Coefficients coefficients_of(ControlVariates controls) {
  switch (controls) {
    case ControlVariates::none:
      return [](const SampleMoments&) {
        return torch::zeros({kControls, kVariables}, torch::kFloat64);
      };
    case ControlVariates::plug_in:
      return plug_in_coefficients;
    case ControlVariates::regression:
      return [](const SampleMoments& others) { return regression_coefficients(others, kControls); };
  }
  TORCH_CHECK(false, "unreachable");
}

using Terms = std::initializer_list<std::pair<Variable, double>>;

std::vector<double> sum_of(Terms terms) {
  std::vector<double> weights(kVariables, 0.0);
  for (const auto& [variable, weight] : terms) weights[variable] = weight;
  return weights;
}

/// Of a share of d.  Where controls explain all of it, value and error are both of rounding.
double z_score(const Estimate& estimate) {
  constexpr double kRounding = 1e-12;
  return std::abs(estimate.value) < kRounding ? 0 : estimate.value / estimate.standard_error;
}

}  // namespace

ScoreMoments::ScoreMoments(int64_t dim, int64_t probes, ControlVariates controls,
                           torch::Tensor mean_image)
    : dim_(dim),
      probes_(probes),
      mean_image_(mean_image.defined() ? mean_image.flatten() : torch::zeros({dim})),
      moments_(kVariables, kControls, coefficients_of(controls)),
      log_sigma_(1),
      mean_score_(dim) {}

void ScoreMoments::add(const DenoisedBatch& batch) {
  const torch::NoGradGuard no_grad;
  const auto n = batch.noise.flatten(1);
  const auto x0 = batch.x0.flatten(1);
  const auto sigma = batch.sigma.unsqueeze(1);
  // n - eps_hat = (D - x_0) / sigma, from the x_0 error: exact also where D is close to x.
  const auto error = (batch.denoised.flatten(1) - x0) / sigma;
  const auto eps_hat = n - error;
  const auto like = torch::TensorOptions(torch::kFloat64).device(x0.device());
  const auto one = torch::ones({x0.size(0)}, like);
  const auto jacobian =
      batch.trace.defined() ? batch.trace / static_cast<double>(dim_) : torch::zeros_like(one);
  moments_.add(torch::stack({mean_product(eps_hat, eps_hat), mean_product(n, eps_hat),
                             mean_product(error, error), mean_product(x0 / sigma + n, eps_hat),
                             jacobian, one},
                            /*dim=*/1),
               torch::stack({mean_product(n, n) - 1, mean_product(x0 - mean_image_.to(x0), n)}, 1));
  log_sigma_.add(sigma.log());
  mean_score_.add(eps_hat);
}

FisherEstimates ScoreMoments::estimates() const {
  TORCH_CHECK(count() >= 4, "ScoreMoments: want at least 4 samples, got ", count());
  FisherEstimates out;
  out.sigma = std::exp(log_sigma_.mean(0).value);
  out.dim = dim_;
  out.probes = probes_;
  const double info_unit = static_cast<double>(dim_) / (out.sigma * out.sigma);
  const auto information = [&](Terms terms) {
    return scaled(moments_.combination(sum_of(terms)), info_unit);
  };
  const auto z = [&](Terms terms) { return z_score(moments_.combination(sum_of(terms))); };
  out.eps_mse = moments_.combination(sum_of({{kError2, 1}}));
  out.x0_mse = scaled(out.eps_mse, out.sigma * out.sigma);
  out.dsm_loss = information({{kError2, 1}});
  out.fisher_info_exp = information({{kHat2, 1}});
  out.fisher_info_stein = information({{kCross, 1}});
  out.fisher_info_low = information({{kOne, 1}, {kError2, -1}});
  out.virial = moments_.combination(sum_of({{kVirial, 1}}));
  if (probes_ > 0) {
    out.fisher_info_obs = information({{kOne, 1}, {kJacobian, -1}});
    out.ism_loss = information({{kHat2, 1}, {kOne, -2}, {kJacobian, 2}});
    out.score_calibration =
        moments_.ratio(sum_of({{kOne, 1}, {kJacobian, -1}}), sum_of({{kHat2, 1}}));
    out.consistency_z = z({{kHat2, 1}, {kOne, -1}, {kJacobian, 1}});
    out.dsm_minus_ism_z = z({{kError2, 1}, {kHat2, -1}, {kOne, 1}, {kJacobian, -2}});
  } else {
    out.score_calibration = moments_.ratio(sum_of({{kCross, 1}}), sum_of({{kHat2, 1}}));
    out.consistency_z = z({{kHat2, 1}, {kCross, -1}});
  }
  out.mean_score_norm = std::sqrt(mean_score_.mean_square()) / out.sigma;
  out.mean_score_ratio = mean_score_.ratio();
  out.mean_score_z = mean_score_.z();
  out.participation_ratio = mean_score_.participation_ratio();
  return out;
}

TensorMap ScoreMoments::state() const {
  TensorMap state;
  insert_with_prefix(state, "moments.", moments_.state());
  insert_with_prefix(state, "log_sigma.", log_sigma_.state());
  insert_with_prefix(state, "mean_score.", mean_score_.state());
  return state;
}

void ScoreMoments::load(const TensorMap& state) {
  moments_.load(with_prefix(state, "moments."));
  log_sigma_.load(with_prefix(state, "log_sigma."));
  mean_score_.load(with_prefix(state, "mean_score."));
}

}  // namespace halcyon
