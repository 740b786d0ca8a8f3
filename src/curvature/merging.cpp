#include "curvature/merging.h"

#include <algorithm>
#include <functional>

#include "core/torch.h"

namespace halcyon {
namespace {

using Product = std::function<torch::Tensor(const torch::Tensor&)>;

torch::Tensor average(const std::vector<MergePart>& parts) {
  auto sum = torch::zeros_like(parts.front().theta);
  double shares = 0;
  for (const auto& part : parts) {
    sum += part.share * part.theta;
    shares += part.share;
  }
  return sum / shares;
}

/// sum_k n_k F_k v_k.
torch::Tensor pulled(const std::vector<MergePart>& parts,
                     const std::function<torch::Tensor(const MergePart&)>& v) {
  auto sum = torch::zeros_like(parts.front().theta);
  for (const auto& part : parts) {
    if (part.fisher != nullptr) sum += part.share * part.fisher->matvec(v(part));
  }
  return sum;
}

/// x of A x = b for a positive definite A with an inverse about M (Hestenes and Stiefel 1952).
Merge conjugate_gradients(const Product& a, const Product& m, const torch::Tensor& b) {
  constexpr int64_t kMost = 1000;
  constexpr double kEnough = 1e-12;
  Merge found = {torch::zeros_like(b)};
  const double size = b.norm().item<double>();
  auto residual = b.clone();
  auto z = m(residual);
  auto direction = z;
  double along = residual.dot(z).item<double>();
  while (found.iterations < kMost && residual.norm().item<double>() > kEnough * size) {
    const auto product = a(direction);
    const double step = along / direction.dot(product).item<double>();
    found.theta += step * direction;
    residual -= step * product;
    z = m(residual);
    const double next = residual.dot(z).item<double>();
    direction = z + (next / along) * direction;
    along = next;
    ++found.iterations;
  }
  found.residual = size > 0 ? (a(found.theta) - b).norm().item<double>() / size : 0;
  return found;
}

}  // namespace

Merge merge_parameters(const std::vector<MergePart>& parts, double ridge) {
  const torch::NoGradGuard no_grad;
  TORCH_CHECK(!parts.empty() && ridge > 0, "merge_parameters: want parts and a ridge > 0");
  double shares = 0;
  bool diagonal = true;
  for (const auto& part : parts) {
    shares += part.share;
    diagonal = diagonal && (part.fisher == nullptr || part.fisher->is_diagonal());
  }
  // The average solves the equations but for the pull of the Fisher matrices.
  const auto base = average(parts);
  const auto b = pulled(parts, [&](const MergePart& part) { return part.theta - base; });
  const Product a = [&](const torch::Tensor& v) {
    return pulled(parts, [&](const MergePart&) { return v; }) + shares * ridge * v;
  };
  if (diagonal) return {base + b / a(torch::ones_like(base))};
  const Product m = [&](const torch::Tensor& v) {
    auto sum = torch::zeros_like(v);
    for (const auto& part : parts) {
      sum += part.fisher == nullptr ? v / ridge : part.fisher->solve(v, ridge);
    }
    return sum;
  };
  auto found = conjugate_gradients(a, m, b);
  found.theta += base;
  return found;
}

}  // namespace halcyon
