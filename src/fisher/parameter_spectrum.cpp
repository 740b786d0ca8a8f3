#include "fisher/parameter_spectrum.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/torch.h"
#include "curvature/parameter_jacobian.h"
#include "fisher/denoiser_jacobian.h"

namespace halcyon {
namespace {

double seen_by(const SpectralQuadrature& rule, const std::function<double(double)>& f) {
  double sum = 0;
  for (size_t i = 0; i < rule.nodes.size(); ++i) sum += rule.weights[i] * f(rule.nodes[i]);
  return sum;
}

/// u^T G u as the mean over samples of |J u|^2.
Estimate curvature_along(const ParameterJacobian& jacobian, const torch::Tensor& u) {
  SampleMoments moments(1);
  moments.add(jacobian.jvp(u).flatten(1).square().sum(1, true, torch::kFloat64).to(torch::kCPU));
  return moments.mean(0);
}

}  // namespace

Estimate ParameterSpectrum::trace(const std::function<double(double)>& f) const {
  SampleMoments moments(1);
  const auto p = static_cast<double>(parameters);
  for (const auto& rule : seen)
    moments.add(torch::full({1, 1}, p * seen_by(rule, f), torch::kDouble));
  return moments.mean(0);
}

Estimate ParameterSpectrum::effective_parameters(double ridge) const {
  return trace(
      [ridge](double value) { return std::max(value, 0.0) / (std::max(value, 0.0) + ridge); });
}

Estimate ParameterSpectrum::density(double value, double decades) const {
  return trace([=](double eigenvalue) {
    if (eigenvalue <= 0) return 0.0;
    const double z = std::log10(eigenvalue / value) / decades;
    return std::exp(-z * z / 2) / (decades * std::sqrt(2 * std::numbers::pi));
  });
}

Estimate ParameterSpectrum::participation_ratio() const {
  SampleMoments moments(2);
  for (const auto& rule : seen) {
    moments.add(torch::tensor({seen_by(rule, [](double value) { return value; }),
                               seen_by(rule, [](double value) { return value * value; })},
                              torch::kDouble)
                    .view({1, 2}));
  }
  const auto mean = moments.mean(0), square = moments.mean(1);
  const double ratio = mean.value * mean.value / square.value;
  // d ratio = ratio (2 d mean / mean - d square / square).
  const auto relative = moments.combination({2 / mean.value, -1 / square.value});
  const auto p = static_cast<double>(parameters);
  return {p * ratio, p * ratio * relative.standard_error, relative.count};
}

ParameterSpectrum parameter_spectrum(Denoiser& denoiser, const ParameterSpace& space,
                                     const RegressionBatch& batch,
                                     const ParameterSpectrumOptions& options, at::Generator& rng) {
  const ParameterJacobian jacobian(denoiser, space, batch);
  const auto multiply = [&](const torch::Tensor& v) { return jacobian.fisher_product(v); };
  const auto like = space.parameters().front().detach().new_empty({space.dim()});
  ParameterSpectrum spectrum;
  spectrum.parameters = space.dim();
  spectrum.rank_bound = std::min(space.dim(), batch.x.numel());
  const auto start = torch::randn(like.sizes(), rng, like.options());
  const auto pairs = leading_pairs(tridiagonalise(multiply, start, options.steps), options.top);
  spectrum.vectors = pairs.vectors;
  for (int64_t i = 0; i < pairs.values.size(0); ++i) {
    spectrum.leading.push_back(curvature_along(jacobian, pairs.vectors[i]));
    spectrum.residuals.push_back(pairs.residuals[i].item<double>());
  }
  for (int64_t i = 0; i < options.probes; ++i) {
    spectrum.seen.push_back(
        spectral_quadrature(tridiagonalise(multiply, rademacher_like(like, rng), options.steps)));
  }
  return spectrum;
}

}  // namespace halcyon
