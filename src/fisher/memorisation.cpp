#include "fisher/memorisation.h"

#include <cmath>

#include "core/torch.h"
#include "fisher/empirical_floor.h"

namespace halcyon {
namespace {

enum Variable : int64_t { kLoss, kFloor, kGap, kVariables };  // of a training image, all per dim

/// |a - b|^2 / (d sigma^2): [B] float64.
torch::Tensor eps_distance(const torch::Tensor& a, const torch::Tensor& b, double sigma) {
  return ((a - b) / sigma).flatten(1).to(torch::kFloat64).square().mean(1);
}

torch::Tensor level_of(const torch::Tensor& x0, double sigma) {
  return torch::full({x0.size(0)}, sigma, x0.options());
}

constexpr double kErrors = 5;

/// What a share can be taken of.  A ratio to a number that may be 0 has no finite error.
bool is_positive(const Estimate& estimate) {
  return estimate.value > kErrors * estimate.standard_error;
}

}  // namespace

bool MemorisationEstimates::memorises() const {
  return memorisation.value - kErrors * memorisation.standard_error > 0.5 && is_positive(excess);
}

MemorisationLevel::MemorisationLevel(double sigma, int64_t dim)
    : sigma_(sigma), dim_(dim), training_(kVariables), held_out_(1) {}

void MemorisationLevel::add_training(Denoiser& model, Denoiser& memory, const torch::Tensor& x0,
                                     const torch::Tensor& noise) {
  const torch::NoGradGuard no_grad;
  const auto x = x0 + sigma_ * noise;
  const auto learnt = model.denoise(x, level_of(x0, sigma_));
  const auto recalled = memory.denoise(x, level_of(x0, sigma_));
  training_.add(torch::stack({eps_distance(learnt, x0, sigma_), eps_distance(recalled, x0, sigma_),
                              eps_distance(learnt, recalled, sigma_)},
                             /*dim=*/1));
}

void MemorisationLevel::add_held_out(Denoiser& model, const torch::Tensor& x0,
                                     const torch::Tensor& noise) {
  const torch::NoGradGuard no_grad;
  const auto denoised = model.denoise(x0 + sigma_ * noise, level_of(x0, sigma_));
  held_out_.add(eps_distance(denoised, x0, sigma_).unsqueeze(1));
}

MemorisationEstimates MemorisationLevel::estimates() const {
  TORCH_CHECK(training_.count() > 1 && held_out_.count() > 1,
              "MemorisationLevel: want at least 2 samples of each kind, got ", training_.count(),
              " training and ", held_out_.count(), " held-out images");
  MemorisationEstimates out;
  out.sigma = sigma_;
  out.dim = dim_;
  out.train_loss = training_.mean(kLoss);
  out.held_out_loss = held_out_.mean(0);
  out.floor = training_.mean(kFloor);
  out.gap = training_.mean(kGap);
  out.generalisation_gap = {
      out.held_out_loss.value - out.train_loss.value,
      std::hypot(out.held_out_loss.standard_error, out.train_loss.standard_error),
      std::min(held_out_.count(), training_.count())};
  out.excess = fisher_divergence_bound(out.held_out_loss, out.floor);
  if (!is_positive(out.excess)) return out;
  // Linearised: d(gap / excess) = (d gap + ratio d floor - ratio d held_out) / excess.
  const double ratio = out.gap.value / out.excess.value;
  const double of_training = training_.combination({0, ratio, 1}).standard_error;
  const double of_held_out = ratio * out.held_out_loss.standard_error;
  out.memorisation = {1 - ratio, std::hypot(of_training, of_held_out) / std::abs(out.excess.value),
                      out.excess.count};
  return out;
}

}  // namespace halcyon
