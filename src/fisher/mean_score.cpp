#include "fisher/mean_score.h"

#include <cmath>
#include <limits>

#include "core/torch.h"

namespace halcyon {

MeanScore::MeanScore(int64_t dim) : sum_(torch::zeros({dim}, torch::kFloat64)) {}

void MeanScore::add(const torch::Tensor& scores) {
  const auto n = static_cast<double>(scores.size(0));
  // |S S^T|_F = |S^T S|_F: the smaller product does; the diagonal i = j is taken out.
  const auto gram =
      scores.size(0) < scores.size(1) ? scores.matmul(scores.t()) : scores.t().matmul(scores);
  const auto norms = scores.square().sum(1, /*keepdim=*/false, torch::kFloat64);
  pair_squares_ +=
      gram.square().sum(torch::kFloat64).item<double>() - norms.square().sum().item<double>();
  pairs_ += n * (n - 1);
  squares_ += norms.sum().item<double>();
  sum_ += scores.sum(0, /*keepdim=*/false, torch::kFloat64).to(torch::kCPU);
  count_ += scores.size(0);
}

double MeanScore::mean_square() const {
  const auto n = static_cast<double>(count_);
  return sum_.square().sum().item<double>() / (n * n);
}

double MeanScore::participation_ratio() const {
  if (pairs_ == 0) return std::numeric_limits<double>::quiet_NaN();
  const double trace = squares_ / static_cast<double>(count_);
  return trace * trace / (pair_squares_ / pairs_);
}

double MeanScore::ratio() const {
  const auto n = static_cast<double>(count_);
  return n * n * mean_square() / squares_;
}

double MeanScore::z() const { return (ratio() - 1) / std::sqrt(2 / participation_ratio()); }

TensorMap MeanScore::state() const {
  return {{"count", torch::tensor(count_)},
          {"squares", torch::tensor({squares_, pairs_, pair_squares_}, torch::kFloat64)},
          {"sum", sum_}};
}

void MeanScore::load(const TensorMap& state) {
  require_same_layout(state, MeanScore(sum_.size(0)).state());
  count_ = state.at("count").item<int64_t>();
  const auto squares = state.at("squares");
  squares_ = squares[0].item<double>();
  pairs_ = squares[1].item<double>();
  pair_squares_ = squares[2].item<double>();
  sum_ = state.at("sum").clone();
}

}  // namespace halcyon
