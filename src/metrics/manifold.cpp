#include "metrics/manifold.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/torch.h"

namespace halcyon {
namespace {

constexpr int64_t kDistancesAtOnce = int64_t{1} << 24;

/// Squared distances [B, N] of rows to a set.
torch::Tensor squared_distances(const torch::Tensor& rows, const torch::Tensor& set) {
  const auto norms = rows.square().sum(1, /*keepdim=*/true) + set.square().sum(1);
  return torch::addmm(norms, rows, set.t(), /*beta=*/1, /*alpha=*/-2).clamp_min_(0);
}

int64_t rows_at_once(const torch::Tensor& set) {
  return std::max<int64_t>(1, kDistancesAtOnce / set.size(0));
}

/// Squared distance of every point to its k-th nearest other one: [N].
torch::Tensor squared_radii(const torch::Tensor& set, int64_t k) {
  std::vector<torch::Tensor> radii;
  int64_t first = 0;
  for (const auto& rows : set.split(rows_at_once(set))) {
    const auto distances = squared_distances(rows, set);
    distances.diagonal(first).fill_(std::numeric_limits<double>::infinity());
    radii.push_back(std::get<0>(distances.kthvalue(k, 1)));
    first += rows.size(0);
  }
  return torch::cat(radii);
}

/// precision, recall, density, coverage.
std::array<double, 4> measured(const torch::Tensor& samples, const torch::Tensor& reference,
                               int64_t k) {
  const auto sample_radii = squared_radii(samples, k);
  const auto reference_radii = squared_radii(reference, k);
  double precise = 0, within = 0;
  auto recalled = torch::zeros({reference.size(0)}, reference.options().dtype(torch::kBool));
  auto covered = recalled.clone();
  int64_t first = 0;
  for (const auto& rows : samples.split(rows_at_once(reference))) {
    const auto distances = squared_distances(rows, reference);
    const auto in_reference = distances <= reference_radii;
    const auto own = sample_radii.narrow(0, first, rows.size(0)).unsqueeze(1);
    precise += in_reference.any(1).sum().item<double>();
    within += in_reference.sum().item<double>();
    covered |= in_reference.any(0);
    recalled |= (distances <= own).any(0);
    first += rows.size(0);
  }
  const auto count = static_cast<double>(samples.size(0));
  return {precise / count, recalled.to(torch::kFloat64).mean().item<double>(),
          within / (static_cast<double>(k) * count),
          covered.to(torch::kFloat64).mean().item<double>()};
}

}  // namespace

ManifoldMetrics manifold_metrics(const torch::Tensor& samples, const torch::Tensor& reference,
                                 int64_t k, int64_t parts, at::Generator rng) {
  TORCH_CHECK(k > 0 && std::min(samples.size(0), reference.size(0)) / parts > k,
              "manifold_metrics: k ", k, " and ", parts, " parts of ", samples.sizes(), " and ",
              reference.sizes());
  const auto origin = reference.to(torch::kFloat64).mean(0);  // less to cancel in |x - y|^2
  const auto a = samples.to(torch::kFloat64) - origin;
  const auto b = reference.to(torch::kFloat64) - origin;
  const auto of_a = random_parts(a.size(0), parts, rng);
  const auto of_b = random_parts(b.size(0), parts, rng);
  std::array<std::vector<double>, 4> values;
  for (int64_t part = 0; part < parts; ++part) {
    const auto some = measured(a.index_select(0, of_a[part].to(a.device())),
                               b.index_select(0, of_b[part].to(b.device())), k);
    for (size_t i = 0; i < some.size(); ++i) values[i].push_back(some[i]);
  }
  const auto whole = measured(a, b, k);
  const auto estimate = [&](size_t i) -> MetricEstimate {
    return {whole[i], spread_of(values[i]).deviation / std::sqrt(static_cast<double>(parts))};
  };
  return {estimate(0), estimate(1), estimate(2), estimate(3)};
}

double expected_coverage(int64_t reference, int64_t samples, int64_t k) {
  double missed = 1;
  for (int64_t i = 1; i <= k; ++i) {
    missed *= static_cast<double>(reference - i) / static_cast<double>(reference + samples - i);
  }
  return 1 - missed;
}

}  // namespace halcyon
