#include "core/log_sigma_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/torch.h"

namespace halcyon {

LogSigmaTable::LogSigmaTable(std::vector<Point> points) : points_(std::move(points)) {
  if (points_.empty()) throw ConfigError("a table over sigma: want at least one level, got none");
  double last = 0;
  for (const auto& [sigma, value] : points_) {
    if (!std::isfinite(sigma) || !std::isfinite(value) || !(sigma > last)) {
      throw ConfigError(
          fmt::format("a table over sigma: want finite numbers and sigma > 0 increasing, got the "
                      "value {} at sigma = {} after sigma = {}",
                      value, sigma, last));
    }
    last = sigma;
  }
}

double LogSigmaTable::at(double sigma) const {
  const auto above =
      std::upper_bound(points_.begin(), points_.end(), sigma,
                       [](double wanted, const Point& point) { return wanted < point.sigma; });
  if (above == points_.begin()) return points_.front().value;
  if (above == points_.end()) return points_.back().value;
  const auto& low = *(above - 1);
  const double share = std::log(sigma / low.sigma) / std::log(above->sigma / low.sigma);
  return low.value + share * (above->value - low.value);
}

torch::Tensor LogSigmaTable::at(const torch::Tensor& sigma) const {
  const auto flat = sigma.detach().to(torch::kCPU, torch::kFloat64).contiguous().view({-1});
  const auto values = torch::empty_like(flat);
  for (int64_t i = 0; i < flat.numel(); ++i) {
    values.data_ptr<double>()[i] = at(flat.data_ptr<double>()[i]);
  }
  return values.view(sigma.sizes()).to(sigma.options());
}

}  // namespace halcyon
