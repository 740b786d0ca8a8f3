#include "metrics/inception_score.h"

#include <cmath>

#include "core/torch.h"

namespace halcyon {

MetricEstimate inception_score(const torch::Tensor& probabilities, int64_t splits,
                               at::Generator rng) {
  std::vector<double> scores;
  for (const auto& part : random_parts(probabilities.size(0), splits, rng)) {
    const auto p =
        probabilities.index_select(0, part.to(probabilities.device())).to(torch::kFloat64);
    const auto information = (torch::xlogy(p, p) - torch::xlogy(p, p.mean(0))).sum(1).mean();
    scores.push_back(std::exp(information.item<double>()));
  }
  const auto spread = spread_of(scores);
  return {spread.mean, spread.deviation / std::sqrt(static_cast<double>(splits))};
}

}  // namespace halcyon
