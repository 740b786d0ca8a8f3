#include "metrics/nearest_neighbours.h"

#include <algorithm>
#include <cmath>

#include "core/torch.h"

namespace halcyon {
namespace {

constexpr int64_t kRows = 256;
constexpr int64_t kSetRows = 8192;
constexpr int64_t kSpare = 4;  // candidates beyond k: float32 may confuse near ties

torch::Tensor as_rows(const torch::Tensor& images) { return images.flatten(1).to(torch::kFloat32); }

/// The k candidates of least float32 distance to each row: int64 [B, k].
torch::Tensor candidates(const torch::Tensor& rows, const torch::Tensor& set,
                         const torch::Tensor& origin, int64_t k) {
  const auto x = as_rows(rows) - origin;
  torch::Tensor best, where;
  for (int64_t first = 0; first < set.size(0); first += kSetRows) {
    const auto some = as_rows(set.slice(0, first, first + kSetRows)) - origin;
    // |y|^2 - 2 x . y has the order of the distances from x
    auto order = torch::addmm(some.square().sum(1), x, some.t(), /*beta=*/1, /*alpha=*/-2);
    auto index = torch::arange(first, first + some.size(0), order.options().dtype(torch::kInt64))
                     .expand({x.size(0), -1});
    if (best.defined()) {
      order = torch::cat({best, order}, 1);
      index = torch::cat({where, index}, 1);
    }
    const auto [values, at] = order.topk(std::min(k, order.size(1)), 1, /*largest=*/false);
    best = values;
    where = index.gather(1, at);
  }
  return where;
}

}  // namespace

NearestNeighbours nearest_neighbours(const torch::Tensor& rows, const torch::Tensor& set, int64_t k,
                                     const std::function<void(int64_t)>& on_block) {
  TORCH_CHECK(k > 0 && k <= set.size(0) && rows[0].numel() == set[0].numel(),
              "nearest_neighbours: ", k, " of ", set.sizes(), " for ", rows.sizes());
  const auto origin = as_rows(set.slice(0, 0, kSetRows)).mean(0);
  std::vector<torch::Tensor> distances, indices;
  int64_t done = 0;
  for (const auto& part : rows.split(kRows)) {
    const auto some = candidates(part, set, origin, std::min(k + kSpare, set.size(0)));
    const auto found =
        as_rows(set.index_select(0, some.flatten())).view({part.size(0), some.size(1), -1});
    const auto exact =
        (found - as_rows(part).unsqueeze(1)).to(torch::kFloat64).square().sum(2).sqrt();
    const auto [order, at] = exact.sort(/*dim=*/1);
    distances.push_back(order.narrow(1, 0, k));
    indices.push_back(some.gather(1, at).narrow(1, 0, k));
    done += part.size(0);
    if (on_block) on_block(done);
  }
  return {torch::cat(distances), torch::cat(indices)};
}

torch::Tensor nearest_ratio(const NearestNeighbours& neighbours) {
  const auto first = neighbours.distances.select(1, 0);
  const auto second = neighbours.distances.select(1, 1);
  return torch::where(second > 0, first / second, torch::zeros_like(first));
}

MetricEstimate copy_share(const NearestNeighbours& neighbours) {
  const auto n = static_cast<double>(neighbours.distances.size(0));
  const auto copies = (nearest_ratio(neighbours) <= kCopyRatio).sum().item<double>();
  const double share = copies / n;
  const double p = std::clamp(share, 1 / n, 1 - 1 / n);
  return {share, std::sqrt(p * (1 - p) / n)};
}

double copying_z(const NearestNeighbours& samples, const NearestNeighbours& held_out) {
  const auto a = samples.distances.select(1, 0).contiguous();
  const auto b = std::get<0>(held_out.distances.select(1, 0).sort());
  // ties count one half
  const auto below = torch::searchsorted(b, a) + torch::searchsorted(b, a, false, /*right=*/true);
  const double u = below.sum().item<double>() / 2;
  const auto n = static_cast<double>(a.size(0)), m = static_cast<double>(b.size(0));
  return (u - n * m / 2) / std::sqrt(n * m * (n + m + 1) / 12);
}

}  // namespace halcyon
