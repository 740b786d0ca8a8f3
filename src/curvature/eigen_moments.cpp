#include "curvature/eigen_moments.h"

#include "core/torch.h"

namespace halcyon {

void EigenMoments::add_layers(const TappedBatch& batch, const TappedBatch::Backward& backward,
                              const std::vector<CurvatureBlock>& blocks, double samples,
                              double kept) {
  for (size_t i = 0; i < batch.layers().size(); ++i) {
    if (blocks[i].is_whole()) continue;
    const auto gradients = sample_gradients(batch.inputs(i), batch.outputs(backward, i));
    moments_[i].add(blocks[i].to_eigenbasis(gradients).square().sum(0), samples, kept);
  }
}

void EigenMoments::add_others(const TappedBatch& batch, const TappedBatch::Backward& backward,
                              double samples, double kept) {
  for (size_t i = 0; i < backward.others.size(); ++i) {
    const auto& gradient = backward.others[i];
    const auto type = gradient.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
    moments_[batch.layers().size() + i].add(gradient.reshape({-1, 1}).to(type).square(), samples,
                                            kept);
  }
}

void EigenMoments::set(std::vector<CurvatureBlock>& blocks) const {
  for (size_t i = 0; i < moments_.size(); ++i) {
    if (moments_[i].weight > 0) blocks[i].eigenvalues = moments_[i].mean();
  }
}

}  // namespace halcyon
