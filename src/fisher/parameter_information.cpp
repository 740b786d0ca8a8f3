#include "fisher/parameter_information.h"

#include "core/torch.h"
#include "curvature/parameter_jacobian.h"
#include "fisher/denoiser_jacobian.h"

namespace halcyon {

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
      empirical_(space.layers()) {}

void ParameterInformation::add_sampled(Denoiser& denoiser, const RegressionBatch& batch,
                                       at::Generator& rng) {
  const ParameterJacobian jacobian(denoiser, space_, batch);
  const auto phi = jacobian.predictions();
  const auto gradient = jacobian.vjp(torch::randn(phi.sizes(), rng, phi.options()));
  const auto terms = gradient.square() / static_cast<double>(batch.size());
  sampled_.add(terms);
  const auto more = terms.to(torch::kFloat64);
  terms_ = terms_.defined() ? terms_ + more : more;
  squares_ = squares_.defined() ? squares_ + more.square() : more.square();
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
    empirical_.add(gradient.square());
    data_.add(gradient);
  }
}

ParameterInformation::Diagonal ParameterInformation::diagonal() const {
  const auto n = static_cast<double>(sampled_.total().count);
  const auto mean = terms_ / n;
  return {mean, (squares_ / n - mean.square()).clamp_min(0) / (n - 1)};
}

}  // namespace halcyon
