#include "fisher/controlled_moments.h"

#include <cmath>
#include <string>

#include "core/torch.h"

namespace halcyon {
namespace {

constexpr int64_t kFewestToRegress = 16;

std::string fold_prefix(size_t fold) { return "fold" + std::to_string(fold) + "."; }

}  // namespace

ControlledMoments::ControlledMoments(int64_t variables, int64_t controls, Coefficients coefficients)
    : variables_(variables),
      controls_(controls),
      coefficients_(std::move(coefficients)),
      folds_{SampleMoments(variables + controls), SampleMoments(variables + controls)} {}

void ControlledMoments::add(const torch::Tensor& samples, const torch::Tensor& controls) {
  const auto all = torch::cat({samples, controls}, 1);
  // The next sample goes to the fold that has had fewer.
  const int64_t first = folds_[0].count() > folds_[1].count() ? 1 : 0;
  for (int64_t i = 0; i < std::min<int64_t>(2, all.size(0)); ++i) {
    folds_[static_cast<size_t>((first + i) % 2)].add(all.slice(0, i, all.size(0), 2));
  }
}

Estimate ControlledMoments::combination(const std::vector<double>& weights) const {
  const auto w = torch::tensor(weights, torch::kFloat64);
  const auto total = static_cast<double>(count());
  double value = 0;
  double variance = 0;
  for (size_t i = 0; i < folds_.size(); ++i) {
    if (folds_[i].count() == 0) continue;
    const auto controlled = torch::cat({w, -coefficients_(folds_[1 - i]).matmul(w)});
    const auto part = folds_[i].combination(
        {controlled.data_ptr<double>(), controlled.data_ptr<double>() + controlled.numel()});
    const double share = static_cast<double>(part.count) / total;
    value += share * part.value;
    variance += share * share * part.standard_error * part.standard_error;
  }
  return {value, std::sqrt(variance), count()};
}

Estimate ControlledMoments::ratio(const std::vector<double>& above,
                                  const std::vector<double>& below) const {
  return ratio_of_means([&](const auto& weights) { return combination(weights); }, above, below);
}

TensorMap ControlledMoments::state() const {
  TensorMap state;
  for (size_t i = 0; i < folds_.size(); ++i) {
    insert_with_prefix(state, fold_prefix(i), folds_[i].state());
  }
  return state;
}

void ControlledMoments::load(const TensorMap& state) {
  for (size_t i = 0; i < folds_.size(); ++i) folds_[i].load(with_prefix(state, fold_prefix(i)));
}

torch::Tensor regression_coefficients(const SampleMoments& moments, int64_t controls) {
  const auto all = moments.co_moment();
  const int64_t variables = all.size(0) - controls;
  const auto cross = all.narrow(0, variables, controls).narrow(1, 0, variables);
  if (moments.count() < kFewestToRegress) return torch::zeros_like(cross);
  const auto own = all.narrow(0, variables, controls).narrow(1, variables, controls);
  // A control that never varies, as x_0 . n of data that are all 0, explains nothing.
  return torch::linalg_pinv(own, /*rcond=*/1e-12, /*hermitian=*/true).matmul(cross);
}

}  // namespace halcyon
