#include "curvature/curvature.h"

#include <algorithm>

#include "core/torch.h"

namespace halcyon {

torch::Tensor CurvatureBlock::to_eigenbasis(const torch::Tensor& v) const {
  auto w = v;
  if (left.defined()) w = left.t().matmul(w);
  return right.defined() ? w.matmul(right) : w;
}

torch::Tensor CurvatureBlock::from_eigenbasis(const torch::Tensor& w) const {
  auto v = w;
  if (left.defined()) v = left.matmul(v);
  return right.defined() ? v.matmul(right.t()) : v;
}

torch::Tensor CurvatureBlock::diagonal() const {
  auto d = eigenvalues;
  if (left.defined()) d = left.square().matmul(d);
  return right.defined() ? d.matmul(right.square().t()) : d;
}

torch::Tensor CurvatureBlock::row_forms(const torch::Tensor& v) const {
  if (is_whole()) {
    const auto by_row = left.view({rows, -1, left.size(1)});
    const auto in_basis = (v.view({rows, -1, 1}) * by_row).sum(1);
    return in_basis.square().matmul(eigenvalues).squeeze(1);
  }
  const auto in_basis = right.defined() ? v.matmul(right) : v;
  const auto weights = left.defined() ? left.square().matmul(eigenvalues) : eigenvalues;
  return (weights * in_basis.square()).sum(1);
}

Curvature::Curvature(const ParameterSpace& space, std::vector<CurvatureBlock> blocks)
    : space_(space), blocks_(std::move(blocks)) {
  std::vector<int> covered(space.blocks().size(), 0);
  for (const auto& block : blocks_) {
    int64_t count = 0;
    for (const auto i : block.tensors) {
      ++covered[static_cast<size_t>(i)];
      count += space.blocks()[static_cast<size_t>(i)].count;
    }
    TORCH_CHECK(block.eigenvalues.numel() == count, "Curvature: block ", block.name, " has ",
                block.eigenvalues.numel(), " eigenvalues for ", count, " parameters");
  }
  for (size_t i = 0; i < covered.size(); ++i) {
    TORCH_CHECK(covered[i] == 1, "Curvature: ", space.blocks()[i].name, " is covered ", covered[i],
                " times");
  }
}

torch::Tensor Curvature::gather(const torch::Tensor& v, const CurvatureBlock& block) const {
  std::vector<torch::Tensor> parts;
  for (const auto i : block.tensors) {
    const auto& place = space_.blocks()[static_cast<size_t>(i)];
    parts.push_back(v.narrow(0, place.begin, place.count).view({block.rows, -1}));
  }
  return torch::cat(parts, 1).view(block.eigenvalues.sizes());
}

void Curvature::scatter(const torch::Tensor& numbers, const CurvatureBlock& block,
                        torch::Tensor& v) const {
  const auto matrix = numbers.reshape({block.rows, -1});
  int64_t column = 0;
  for (const auto i : block.tensors) {
    const auto& place = space_.blocks()[static_cast<size_t>(i)];
    const int64_t columns = place.count / block.rows;
    v.narrow(0, place.begin, place.count)
        .view({block.rows, -1})
        .copy_(matrix.narrow(1, column, columns));
    column += columns;
  }
}

torch::Tensor Curvature::apply(const torch::Tensor& v, const Spectral& f) const {
  const torch::NoGradGuard no_grad;
  auto result = torch::empty_like(v);
  for (const auto& block : blocks_) {
    const auto in_basis = block.to_eigenbasis(gather(v, block).to(block.eigenvalues.options()));
    scatter(block.from_eigenbasis(in_basis * f(block.eigenvalues)), block, result);
  }
  return result;
}

torch::Tensor Curvature::matvec(const torch::Tensor& v) const {
  return apply(v, [](const torch::Tensor& e) { return e; });
}

double Curvature::quadratic(const torch::Tensor& v) const {
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> parts;
  for (const auto& block : blocks_) {
    const auto in_basis = block.to_eigenbasis(gather(v, block).to(block.eigenvalues.options()));
    parts.push_back((in_basis.square() * block.eigenvalues).sum(torch::kFloat64));
  }
  return torch::stack(parts).sum().item<double>();
}

torch::Tensor Curvature::solve(const torch::Tensor& v, double ridge) const {
  return apply(v, [ridge](const torch::Tensor& e) { return (e + ridge).reciprocal(); });
}

torch::Tensor Curvature::sqrt_matvec(const torch::Tensor& v) const {
  return apply(v, [](const torch::Tensor& e) { return e.sqrt(); });
}

torch::Tensor Curvature::inverse_sqrt_matvec(const torch::Tensor& v, double ridge) const {
  return apply(v, [ridge](const torch::Tensor& e) { return (e + ridge).rsqrt(); });
}

torch::Tensor Curvature::diagonal() const {
  const torch::NoGradGuard no_grad;
  auto diagonal = torch::empty({space_.dim()}, blocks_.front().eigenvalues.options());
  for (const auto& block : blocks_) scatter(block.diagonal(), block, diagonal);
  return diagonal;
}

double Curvature::trace() const {
  double sum = 0;
  for (const auto& block : blocks_) sum += block.eigenvalues.sum(torch::kFloat64).item<double>();
  return sum;
}

double Curvature::logdet(double ridge) const {
  double sum = 0;
  for (const auto& block : blocks_) {
    sum += (block.eigenvalues + ridge).log().sum(torch::kFloat64).item<double>();
  }
  return sum;
}

torch::Tensor Curvature::leading_direction() const {
  const torch::NoGradGuard no_grad;
  const CurvatureBlock* leading = nullptr;
  double largest = -1;
  for (const auto& block : blocks_) {
    const double most = block.eigenvalues.max().item<double>();
    if (most > largest) {
      largest = most;
      leading = &block;
    }
  }
  auto in_basis = torch::zeros_like(leading->eigenvalues);
  in_basis.view({-1})[leading->eigenvalues.argmax()] = 1;
  auto direction = torch::zeros({space_.dim()}, space_.parameters().front().options());
  scatter(leading->from_eigenbasis(in_basis), *leading, direction);
  return direction;
}

bool Curvature::is_diagonal() const {
  return std::none_of(blocks_.begin(), blocks_.end(), [](const CurvatureBlock& block) {
    return block.left.defined() || block.right.defined();
  });
}

bool Curvature::is_layer(const CurvatureBlock& block) const {
  const auto& weight = space_.parameters()[static_cast<size_t>(block.tensors.front())];
  return weight.dim() >= 2 && weight.size(0) == block.rows;
}

Curvature Curvature::to(at::ScalarType type) const {
  auto blocks = blocks_;
  for (auto& block : blocks) {
    for (auto* tensor : {&block.left, &block.right, &block.eigenvalues}) {
      if (tensor->defined()) *tensor = tensor->to(type);
    }
  }
  return {space_, std::move(blocks)};
}

}  // namespace halcyon
