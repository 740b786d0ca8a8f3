#include "fisher/lanczos.h"

#include <algorithm>

#include "core/torch.h"

namespace halcyon {
namespace {

// A new direction shorter than this share of the operator's norm is rounding.
constexpr double kExhausted = 1e-11;

/// Twice is enough: the first pass leaves a rounding error of the part it takes out.
torch::Tensor orthogonal_part(torch::Tensor v, const torch::Tensor& basis) {
  for (int pass = 0; pass < 2; ++pass) v = v - basis.t().matmul(basis.matmul(v));
  return v;
}

double length(const torch::Tensor& v) { return v.norm().item<double>(); }

}  // namespace

RitzPairs lanczos(const MatrixProduct& multiply, const torch::Tensor& start, int64_t steps,
                  at::Generator& rng) {
  const auto dim = start.numel();
  steps = std::min(steps, dim);
  TORCH_CHECK(steps > 0, "lanczos: want at least 1 step and dimension");
  auto direction = start.flatten().to(torch::kCPU, torch::kFloat64);
  auto basis = torch::empty({steps, dim}, torch::kFloat64);
  auto products = torch::empty_like(basis);
  double scale = 0;
  for (int64_t m = 0; m < steps; ++m) {
    basis[m] = direction / direction.norm();
    products[m] = multiply(basis[m]);
    if (m + 1 == steps) break;
    scale = std::max(scale, length(products[m]));
    const auto found = basis.narrow(0, 0, m + 1);
    direction = orthogonal_part(products[m], found);
    if (length(direction) <= kExhausted * scale) {
      direction = orthogonal_part(torch::randn({dim}, rng, torch::kFloat64), found);
    }
  }
  const auto projected = basis.matmul(products.t());
  const auto [rising, coordinates] = torch::linalg_eigh((projected + projected.t()) / 2, "L");
  const auto values = rising.flip(0);
  const auto rows = coordinates.t().flip(0);
  const auto vectors = rows.matmul(basis);
  const auto residuals = (rows.matmul(products) - values.unsqueeze(1) * vectors).norm(2, {1});
  return {values, vectors, residuals};
}

}  // namespace halcyon
