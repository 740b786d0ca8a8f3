#include "fisher/sigma_bins.h"

#include <cmath>
#include <string>

#include "core/torch.h"

namespace halcyon {
namespace {

std::string bin_prefix(size_t bin) { return "bin" + std::to_string(bin) + "."; }

}  // namespace

SigmaBins::SigmaBins(double sigma_min, double sigma_max, int64_t count, int64_t dim,
                     torch::Tensor mean_image)
    : log_sigma_min_(std::log(sigma_min)),
      log_width_(std::log(sigma_max / sigma_min) / static_cast<double>(count)),
      count_(count),
      dim_(dim),
      mean_image_(std::move(mean_image)),
      bins_(empty_bins()) {}

std::vector<ScoreMoments> SigmaBins::empty_bins() const {
  std::vector<ScoreMoments> bins;
  for (int64_t i = 0; i < count_; ++i) {
    bins.emplace_back(dim_, /*probes=*/0, ControlVariates::regression, mean_image_);
  }
  return bins;
}

void SigmaBins::add(const DenoisedBatch& batch) {
  const auto position = (batch.sigma.to(torch::kCPU, torch::kFloat64).log() - log_sigma_min_);
  const auto bin = (position / log_width_).floor().clamp(0, count_ - 1).to(torch::kInt64);
  for (size_t i = 0; i < bins_.size(); ++i) {
    const auto members = (bin == static_cast<int64_t>(i)).nonzero().squeeze(1);
    if (members.size(0) == 0) continue;
    const auto index = members.to(batch.x0.device());
    const auto chosen = [&](const torch::Tensor& t) { return t.index_select(0, index); };
    bins_[i].add(
        {chosen(batch.x0), chosen(batch.noise), chosen(batch.sigma), chosen(batch.denoised)});
  }
}

std::vector<FisherEstimates> SigmaBins::estimates(int64_t fewest) const {
  std::vector<FisherEstimates> estimates;
  for (const auto& bin : bins_) {
    if (bin.count() >= fewest) estimates.push_back(bin.estimates());
  }
  return estimates;
}

void SigmaBins::clear() { bins_ = empty_bins(); }

TensorMap SigmaBins::state() const {
  TensorMap state;
  for (size_t i = 0; i < bins_.size(); ++i) {
    insert_with_prefix(state, bin_prefix(i), bins_[i].state());
  }
  return state;
}

void SigmaBins::load(const TensorMap& state) {
  for (size_t i = 0; i < bins_.size(); ++i) bins_[i].load(with_prefix(state, bin_prefix(i)));
}

}  // namespace halcyon
