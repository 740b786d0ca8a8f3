#include "fisher/parameter_information.h"

#include <torch/torch.h>

#include <cmath>

#include "curvature/parameter_jacobian.h"
#include "fisher/denoiser_jacobian.h"

namespace halcyon {
namespace {

constexpr int64_t kGroups = 8;

/// |E g|^2 / tr Cov[g] of `count` samples from sum g and sum |g|^2, without bias in either.
double signal_to_noise_of(const torch::Tensor& sum, double power, double count) {
  const double square = sum.square().sum(torch::kFloat64).item<double>();
  const double signal = (square - power) / (count * (count - 1));
  return signal / (power / count - signal);
}

}  // namespace

BlockTraces::BlockTraces(std::vector<ParameterSpace::Block> blocks)
    : blocks_(std::move(blocks)), moments_(static_cast<int64_t>(blocks_.size()) + 1) {}

void BlockTraces::add(const torch::Tensor& terms) {
  const auto row = torch::empty({1, blocks() + 1}, torch::kFloat64);
  for (int64_t i = 0; i < blocks(); ++i) {
    const auto& block = blocks_[static_cast<size_t>(i)];
    row[0][i] = terms.narrow(0, block.begin, block.count).sum(torch::kFloat64).to(torch::kCPU);
  }
  row[0][blocks()] = row[0].narrow(0, 0, blocks()).sum();
  moments_.add(row);
}

ParameterInformation::ParameterInformation(const ParameterSpace& space)
    : space_(space),
      sampled_(space.layers()),
      product_(space.layers()),
      empirical_(space.layers()),
      power_(torch::zeros({kGroups}, torch::kFloat64)) {}

void ParameterInformation::add_sampled(Denoiser& denoiser, const RegressionBatch& batch,
                                       at::Generator& rng) {
  const ParameterJacobian jacobian(denoiser, space_, batch);
  const auto phi = jacobian.predictions();
  const auto gradient = jacobian.vjp(torch::randn(phi.sizes(), rng, phi.options()));
  const auto terms = gradient.square() / static_cast<double>(batch.size());
  sampled_.add(terms);
  squares_ = squares_.defined() ? squares_ + terms : terms.to(torch::kFloat64);
}

void ParameterInformation::add_product(Denoiser& denoiser, const RegressionBatch& batch,
                                       at::Generator& rng) {
  const auto& like = space_.parameters().front();
  const auto v = rademacher_like(like.detach().new_empty({space_.dim()}), rng);
  product_.add(v * ParameterJacobian(denoiser, space_, batch).fisher_product(v));
}

void ParameterInformation::add_empirical(Denoiser& denoiser, const RegressionBatch& batch) {
  for (int64_t i = 0; i < batch.size(); ++i) {
    const auto sample = part(batch, i, 1);
    const ParameterJacobian jacobian(denoiser, space_, sample);
    const auto residual = jacobian.predictions() - sample.x0 / per_sample(sample.tau, sample.x);
    const auto gradient = jacobian.vjp(residual);
    const int64_t group = empirical_.total().count % kGroups;
    empirical_.add(gradient.square());
    if (!gradient_.defined()) gradient_ = gradient.new_zeros({kGroups, space_.dim()});
    gradient_[group] += gradient;
    power_[group] += gradient.square().sum(torch::kFloat64).to(torch::kCPU);
  }
}

torch::Tensor ParameterInformation::diagonal() const {
  const auto draws = static_cast<double>(sampled_.total().count);
  return (squares_ / draws).to(torch::kFloat32);
}

Estimate ParameterInformation::signal_to_noise() const {
  const int64_t count = empirical_.total().count;
  if (count < 2 * kGroups) return {};
  const auto sum = gradient_.sum(0);
  const double power = power_.sum().item<double>();
  const auto n = static_cast<double>(count);
  const double whole = signal_to_noise_of(sum, power, n);
  double spread = 0;
  for (int64_t g = 0; g < kGroups; ++g) {
    const int64_t in_group = (count - g + kGroups - 1) / kGroups;
    const double without = signal_to_noise_of(sum - gradient_[g], power - power_[g].item<double>(),
                                              n - static_cast<double>(in_group));
    spread += (without - whole) * (without - whole);
  }
  const double factor = static_cast<double>(kGroups - 1) / static_cast<double>(kGroups);
  return {whole, std::sqrt(factor * spread), count};
}

}  // namespace halcyon
