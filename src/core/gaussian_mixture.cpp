#include "core/gaussian_mixture.h"

#include <cmath>
#include <numbers>

#include "core/torch.h"

namespace halcyon {

GaussianMixture::GaussianMixture(const torch::Tensor& weights, const torch::Tensor& means,
                                 const torch::Tensor& variances, const torch::Tensor& basis)
    : weights_(weights.to(torch::kFloat64)),
      means_(means.to(torch::kFloat64)),
      variances_(variances.to(torch::kFloat64)),
      basis_(basis.defined() ? basis.to(torch::kFloat64)
                             : torch::eye(variances.size(0), torch::kFloat64)) {
  TORCH_CHECK(means_.dim() == 2 && means_.size(0) == weights_.size(0) && means_.size(1) == dim(),
              "GaussianMixture: means ", means_.sizes(), " for ", weights_.size(0), " weights in ",
              dim(), " dimensions");
  means_ = means_.matmul(basis_);
}

torch::Tensor GaussianMixture::means() const { return means_.matmul(basis_.t()); }

torch::Tensor GaussianMixture::sample(int64_t count, at::Generator& rng) const {
  const auto component = torch::multinomial(weights_, count, /*replacement=*/true, rng);
  const auto noise = torch::randn({count, dim()}, rng, torch::kFloat64);
  return (means_.index_select(0, component) + variances_.sqrt() * noise).matmul(basis_.t());
}

torch::Tensor GaussianMixture::to_basis(const torch::Tensor& x) const {
  return x.flatten(1).to(torch::kCPU, torch::kFloat64).matmul(basis_);
}

torch::Tensor GaussianMixture::log_joint(const torch::Tensor& x, const torch::Tensor& sigma) const {
  const auto total = (variances_ + sigma.square().unsqueeze(1)).unsqueeze(1);  // [B, 1, d]
  const auto offset = x.unsqueeze(1) - means_;                                 // [B, K, d]
  const auto log_normal =
      -0.5 * (offset.square() / total + (2 * std::numbers::pi * total).log()).sum(2);
  return weights_.log() + log_normal;
}

torch::Tensor GaussianMixture::denoise(const torch::Tensor& x, const torch::Tensor& sigma) {
  const auto y = to_basis(x);
  const auto level = sigma.to(torch::kCPU, torch::kFloat64);
  const auto total = variances_ + level.square().unsqueeze(1);
  const auto mean = log_joint(y, level).softmax(1).matmul(means_);  // E[mu_k | x]: [B, d]
  const auto denoised = mean + variances_ / total * (y - mean);
  return denoised.matmul(basis_.t()).view(x.sizes()).to(x.device(), x.scalar_type());
}

torch::Tensor GaussianMixture::log_density(const torch::Tensor& x,
                                           const torch::Tensor& sigma) const {
  return log_joint(to_basis(x), sigma.to(torch::kCPU, torch::kFloat64)).logsumexp(1);
}

double GaussianMixture::trace_precision(double sigma) const {
  return (variances_ + sigma * sigma).reciprocal().sum().item<double>();
}

std::pair<torch::Tensor, double> GaussianMixture::whitened_half_distance(double sigma) const {
  TORCH_CHECK(components() == 2 && torch::allclose(weights_[0], weights_[1]),
              "GaussianMixture: in closed form only for one Gaussian or two of equal weight");
  const auto half = (means_[0] - means_[1]) / 2;
  const auto whitened = half / (variances_ + sigma * sigma);
  return {whitened, half.dot(whitened).item<double>()};
}

double GaussianMixture::fisher_information(double sigma) const {
  if (components() == 1) return trace_precision(sigma);
  const auto [whitened, snr] = whitened_half_distance(sigma);
  return trace_precision(sigma) - whitened.square().sum().item<double>() * sign_mmse(snr);
}

torch::Tensor GaussianMixture::fisher_map(double sigma) const {
  const auto precision = basis_.square().matmul((variances_ + sigma * sigma).reciprocal());
  if (components() == 1) return precision;
  const auto [whitened, snr] = whitened_half_distance(sigma);
  return precision - basis_.matmul(whitened).square() * sign_mmse(snr);
}

double GaussianMixture::mmse(double sigma) const {
  const double variance = sigma * sigma;
  // d sigma^2 - sigma^4 J, without cancelling d sigma^2 for small sigma.
  const double within = (variances_ * variance / (variances_ + variance)).sum().item<double>();
  if (components() == 1) return within;
  const auto [whitened, snr] = whitened_half_distance(sigma);
  const double between = whitened.square().sum().item<double>() * sign_mmse(snr);
  return within + variance * variance * between;
}

double GaussianMixture::component_information(double sigma) const {
  return components() == 1 ? 0 : sign_information(whitened_half_distance(sigma).second);
}

double GaussianMixture::entropy(double sigma) const {
  const auto total = 2 * std::numbers::pi * std::numbers::e * (variances_ + sigma * sigma);
  return 0.5 * total.log().sum().item<double>() + component_information(sigma);
}

GaussianMixture fit_gaussian(const torch::Tensor& x0) {
  TORCH_CHECK(x0.size(0) > 1, "fit_gaussian: want at least 2 samples, got ", x0.size(0));
  const auto x = x0.flatten(1).to(torch::kCPU, torch::kFloat64);
  const auto mean = x.mean(0, /*keepdim=*/true);
  const auto centred = x - mean;
  const auto covariance = centred.t().matmul(centred) / static_cast<double>(x.size(0) - 1);
  const auto [variances, basis] = torch::linalg_eigh(covariance, "L");
  return {torch::ones({1}), mean, variances.clamp_min(0), basis};
}

namespace {

/// E f(n), n ~ N(0, 1), by the trapezoidal rule.  For an f(n) = g(a n) with g analytic up to i pi /
/// 2 it is exact to rounding with 20 points per 1 / a and per standard deviation.
template <class F>
double normal_mean(double a, const F& f) {
  const double h = 0.05 / std::max(1.0, a);
  double sum = 0;
  for (double z = -12; z <= 12; z += h) sum += std::exp(-0.5 * z * z) * f(z);
  return sum * h / std::sqrt(2 * std::numbers::pi);
}

}  // namespace

double sign_mmse(double snr) {
  if (snr > 1400) return 0;  // below the smallest double
  const double a = std::sqrt(snr);
  return std::exp(-snr / 2) * normal_mean(a, [&](double z) { return 1 / std::cosh(a * z); });
}

double sign_information(double snr) {
  if (snr > 1400) return std::numbers::ln2;
  const double a = std::sqrt(snr);
  // Two forms of one number: each is the difference of two others where the other is not.
  if (snr < 1) {
    return snr - normal_mean(a, [&](double z) {
             const double half = std::sinh((snr + a * z) / 2);
             return std::log1p(2 * half * half);  // ln cosh
           });
  }
  return std::numbers::ln2 - normal_mean(a, [&](double z) {
           const double u = 2 * (snr + a * z);
           return std::max(0.0, -u) + std::log1p(std::exp(-std::abs(u)));  // ln(1 + exp(-u))
         });
}

}  // namespace halcyon
