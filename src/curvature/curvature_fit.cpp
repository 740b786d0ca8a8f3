#include "curvature/curvature_fit.h"

#include <optional>

#include "core/torch.h"
#include "curvature/eigen_moments.h"
#include "curvature/tapped_batch.h"

namespace halcyon {
namespace {

using Backward = TappedBatch::Backward;
/// Sees gradients that stand for so many samples.
using Visit = std::function<void(const TappedBatch&, const Backward&, double samples)>;

/// Whole matrices E g g^T of small blocks.
class WholeBlocks {
 public:
  WholeBlocks(size_t blocks, int64_t limit) : matrices_(blocks), limit_(limit) {}

  void add(const TappedBatch& batch, const Backward& backward, double samples) {
    const auto layers = batch.layers().size();
    for (size_t i = 0; i < layers; ++i) {
      if (batch.layers()[i].rows * batch.layers()[i].columns > limit_) continue;
      const auto gradients = sample_gradients(batch.inputs(i), batch.outputs(backward, i));
      add(i, gradients.flatten(1), samples);
    }
    for (size_t i = 0; i < backward.others.size(); ++i) {
      if (backward.others[i].numel() > limit_) continue;
      add(layers + i, backward.others[i].reshape({1, -1}), samples);
    }
  }

  void decompose(std::vector<CurvatureBlock>& blocks) const {
    for (size_t i = 0; i < matrices_.size(); ++i) {
      if (matrices_[i].weight == 0) continue;
      const auto eigen = symmetric_eigen(matrices_[i].mean());
      blocks[i].left = eigen.vectors;
      blocks[i].right = torch::Tensor();
      blocks[i].eigenvalues = eigen.values.unsqueeze(1);
    }
  }

 private:
  void add(size_t i, const torch::Tensor& gradients, double samples) {
    matrices_[i].add(gradients.t().matmul(gradients), samples);
  }

  std::vector<RunningMean> matrices_;
  int64_t limit_;
};

class Fit {
 public:
  Fit(Denoiser& denoiser, const ParameterSpace& space, const CurvatureOptions& options,
      const std::function<RegressionBatch(int64_t)>& batch, int64_t batches, at::Generator& rng)
      : denoiser_(denoiser),
        space_(space),
        options_(options),
        batch_(batch),
        batches_(batches),
        rng_(rng) {}

  Curvature run() {
    const bool diagonal = options_.kind == CurvatureKind::diagonal;
    if (!diagonal) find_bases();
    EigenMoments moments(blocks_.size());
    if (options_.kind != CurvatureKind::kfac) {
      const auto begin = [&](const TappedBatch& batch) {
        if (!blocks_.empty()) return;
        blocks_ = curvature_blocks(batch, space_);
        moments = EigenMoments(blocks_.size());
      };
      for_each_gradient(begin,
                        [&](const TappedBatch& batch, const Backward& backward, double samples) {
                          moments.add_layers(batch, backward, blocks_, samples);
                          if (diagonal) moments.add_others(batch, backward, samples);
                        });
      moments.set(blocks_);
    }
    return {space_, blocks_};
  }

 private:
  void find_bases() {
    KroneckerFactors factors;
    std::optional<EigenMoments> others;
    std::optional<WholeBlocks> whole;
    const auto begin = [&](const TappedBatch& batch) {
      if (blocks_.empty()) {
        blocks_ = curvature_blocks(batch, space_);
        others.emplace(blocks_.size());
        if (options_.kind == CurvatureKind::exact) {
          whole.emplace(blocks_.size(), options_.exact_limit);
        }
      }
      factors.add_inputs(batch, options_.sharing);
    };
    for_each_gradient(begin,
                      [&](const TappedBatch& batch, const Backward& backward, double samples) {
                        factors.add_gradients(batch, backward, options_.sharing, samples);
                        others->add_others(batch, backward, samples);
                        if (whole) whole->add(batch, backward, samples);
                      });
    factors.decompose(blocks_);
    others->set(blocks_);
    if (whole) whole->decompose(blocks_);
  }

  void for_each_gradient(const std::function<void(const TappedBatch&)>& begin, const Visit& visit) {
    const bool apart = options_.targets == FisherTargets::every;
    for (int64_t i = 0; i < batches_; ++i) {
      const auto batch = batch_(i);
      const int64_t size = apart ? 1 : batch.size();
      for (int64_t n = 0; n < batch.size(); n += size) {
        const TappedBatch tapped(denoiser_, space_, part(batch, n, size));
        begin(tapped);
        for_each_backward(
            tapped, options_.targets, rng_,
            [&](const Backward& backward, double samples) { visit(tapped, backward, samples); });
      }
    }
  }

  Denoiser& denoiser_;
  const ParameterSpace& space_;
  const CurvatureOptions& options_;
  const std::function<RegressionBatch(int64_t)>& batch_;
  int64_t batches_;
  at::Generator& rng_;
  std::vector<CurvatureBlock> blocks_;
};

}  // namespace

std::vector<CurvatureBlock> curvature_blocks(const TappedBatch& batch,
                                             const ParameterSpace& space) {
  const auto name_of = [&](int64_t i) { return space.blocks()[static_cast<size_t>(i)].name; };
  std::vector<CurvatureBlock> blocks;
  for (const auto& layer : batch.layers()) {
    const auto weight = name_of(layer.weight);
    CurvatureBlock block = {
        weight.substr(0, weight.rfind('.')), {layer.weight}, layer.rows, {}, {}, {}};
    if (layer.bias >= 0) block.tensors.push_back(layer.bias);
    blocks.push_back(block);
  }
  for (const auto i : batch.others()) {
    blocks.push_back({name_of(i), {i}, space.blocks()[static_cast<size_t>(i)].count, {}, {}, {}});
  }
  return blocks;
}

Curvature fit_curvature(Denoiser& denoiser, const ParameterSpace& space,
                        const CurvatureOptions& options,
                        const std::function<RegressionBatch(int64_t)>& batch, int64_t batches,
                        at::Generator& rng) {
  TORCH_CHECK(batches > 0, "fit_curvature: want batches");
  return Fit(denoiser, space, options, batch, batches, rng).run();
}

}  // namespace halcyon
