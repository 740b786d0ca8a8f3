#include "fisher/tridiagonal.h"

#include <algorithm>

#include "core/torch.h"

namespace halcyon {
namespace {

// A direction shorter than this share of the operator's norm is rounding, by the digits of its
// type.
double exhausted(at::ScalarType type) { return type == torch::kFloat64 ? 1e-11 : 1e-5; }

double length(const torch::Tensor& v) {
  return v.norm(2, {0}, /*keepdim=*/false, torch::kFloat64).item<double>();
}

struct Eigen {
  torch::Tensor values, vectors;  // rising; columns
};

Eigen eigen(const Tridiagonal& t) {
  const auto inner = t.off_diagonal.narrow(0, 0, t.diagonal.size(0) - 1);
  const auto matrix = torch::diag(t.diagonal) + torch::diag(inner, 1) + torch::diag(inner, -1);
  const auto [values, vectors] = torch::linalg_eigh(matrix, "L");
  return {values, vectors};
}

}  // namespace

Tridiagonal tridiagonalise(const MatrixProduct& multiply, const torch::Tensor& start,
                           int64_t steps) {
  const int64_t most = std::min(steps, start.numel());
  TORCH_CHECK(most > 0 && start.dim() == 1, "tridiagonalise: want a step and a vector");
  auto basis = start.new_empty({most, start.numel()});
  auto direction = start / length(start);
  std::vector<double> diagonal, off_diagonal;
  double scale = 0;
  for (int64_t m = 0; m < most; ++m) {
    basis[m] = direction;
    const auto found = basis.narrow(0, 0, m + 1);
    auto next = multiply(direction).to(start.options());
    scale = std::max(scale, length(next));
    diagonal.push_back((next * direction).sum(torch::kFloat64).item<double>());
    // Twice is enough: the first pass leaves a rounding error of the part it takes out.
    for (int pass = 0; pass < 2; ++pass) next = next - found.t().mv(found.mv(next));
    off_diagonal.push_back(length(next));
    if (off_diagonal.back() <= exhausted(start.scalar_type()) * scale) break;
    direction = next / off_diagonal.back();
  }
  const auto taken = static_cast<int64_t>(diagonal.size());
  return {torch::tensor(diagonal, torch::kFloat64), torch::tensor(off_diagonal, torch::kFloat64),
          basis.narrow(0, 0, taken)};
}

RitzPairs leading_pairs(const Tridiagonal& t, int64_t k) {
  const auto [values, vectors] = eigen(t);
  const int64_t count = std::min(k, values.size(0));
  const auto rows = vectors.t().flip(0).narrow(0, 0, count);
  const auto residuals = t.off_diagonal[-1] * rows.select(1, rows.size(1) - 1).abs();
  return {values.flip(0).narrow(0, 0, count), rows.to(t.basis.options()).matmul(t.basis),
          residuals};
}

SpectralQuadrature spectral_quadrature(const Tridiagonal& t) {
  const auto [values, vectors] = eigen(t);
  SpectralQuadrature rule;
  for (int64_t i = 0; i < values.size(0); ++i) {
    const double first = vectors[0][i].item<double>();
    rule.nodes.push_back(values[i].item<double>());
    rule.weights.push_back(first * first);
  }
  return rule;
}

}  // namespace halcyon
