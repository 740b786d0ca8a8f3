#include "metrics/sliced_wasserstein.h"

#include <algorithm>
#include <cmath>

#include "core/torch.h"

namespace halcyon {
namespace {

/// The mean over directions and ranks of cost((a u)_(i) - (b u)_(i)).
template <class Cost>
double sliced_cost(const torch::Tensor& a, const torch::Tensor& b, int64_t projections,
                   at::Generator& rng, Cost&& cost) {
  const int64_t count = std::min(a.size(0), b.size(0));
  const int64_t dim = a[0].numel();
  TORCH_CHECK(b[0].numel() == dim, "sliced Wasserstein: ", a.sizes(), " and ", b.sizes());
  constexpr int64_t kAtOnce = 64;
  double sum = 0;
  for (int64_t done = 0; done < projections; done += kAtOnce) {
    const int64_t now = std::min(kAtOnce, projections - done);
    auto u = torch::randn({dim, now}, rng);
    u = (u / u.norm(2, 0, /*keepdim=*/true)).to(a.device());
    const auto sorted = [&](const torch::Tensor& set) {
      const auto rows = set.slice(0, 0, count).flatten(1).to(torch::kFloat32);
      return std::get<0>(rows.mm(u).t().contiguous().sort(1));
    };
    sum += cost(sorted(a) - sorted(b)).mean(1).sum().template item<double>();
  }
  return sum / static_cast<double>(projections);
}

}  // namespace

double sliced_wasserstein(const torch::Tensor& a, const torch::Tensor& b, int64_t projections,
                          at::Generator rng) {
  return std::sqrt(
      sliced_cost(a, b, projections, rng, [](const torch::Tensor& gap) { return gap.square(); }));
}

double sliced_wasserstein_1(const torch::Tensor& a, const torch::Tensor& b, int64_t projections,
                            at::Generator rng) {
  return sliced_cost(a, b, projections, rng, [](const torch::Tensor& gap) { return gap.abs(); });
}

}  // namespace halcyon
