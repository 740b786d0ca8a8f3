#include "training/running_curvature.h"

#include <fmt/format.h>

#include <map>
#include <set>

#include "core/error.h"
#include "core/torch.h"

namespace halcyon {
namespace {

using Backward = TappedBatch::Backward;

constexpr const char* kPrefix = "curvature.";
constexpr std::string_view kLayout = ".layout";

bool is_layout(const std::string& name) {
  return name.size() > kLayout.size() &&
         name.compare(name.size() - kLayout.size(), kLayout.size(), kLayout) == 0;
}

/// A block as a checkpoint lays it out: where it comes, whether it is a layer, its rows, its
/// tensors.
struct Layout {
  int64_t position, layer;
  CurvatureBlock block;

  int64_t count(const ParameterSpace& space) const {
    int64_t sum = 0;
    for (const auto i : block.tensors) sum += space.blocks()[static_cast<size_t>(i)].count;
    return sum;
  }
};

Layout read_layout(const std::string& name, const torch::Tensor& tensor,
                   const ParameterSpace& space) {
  const auto require = [&](bool good) {
    if (good) return;
    throw CheckpointError(
        fmt::format("tensor '{}': does not lay out parameters of the network", name));
  };
  require(tensor.scalar_type() == torch::kInt64 && tensor.dim() == 1 && tensor.size(0) > 3);
  const auto numbers = tensor.cpu().contiguous();
  const auto* n = numbers.data_ptr<int64_t>();
  const auto begin = std::string_view(kPrefix).size();
  const auto length = name.size() - begin - kLayout.size();
  Layout found = {n[0], n[1], {name.substr(begin, length), {}, n[2], {}, {}, {}}};
  require(found.block.rows > 0 && (found.layer == 0 || found.layer == 1));
  for (int64_t i = 3; i < numbers.size(0); ++i) {
    require(n[i] >= 0 && n[i] < static_cast<int64_t>(space.blocks().size()));
    require(space.blocks()[static_cast<size_t>(n[i])].count % found.block.rows == 0);
    found.block.tensors.push_back(n[i]);
  }
  require(found.layer == 1 || found.count(space) == found.block.rows);
  return found;
}

}  // namespace

RunningCurvature::RunningCurvature(CurvatureKind kind, ParameterSpace space)
    : kind_(kind), space_(std::move(space)), moments_(0) {
  TORCH_CHECK(kind == CurvatureKind::kfac || kind == CurvatureKind::ekfac,
              "RunningCurvature: of K-FAC's or EKFAC's form");
}

void RunningCurvature::add(const TappedBatch& batch, const Update& update, at::Generator& rng) {
  const torch::NoGradGuard no_grad;
  if (blocks_.empty()) {
    blocks_ = curvature_blocks(batch, space_);
    layers_ = batch.layers().size();
    moments_ = EigenMoments(blocks_.size());
  }
  TORCH_CHECK(batch.layers().size() == layers_, "RunningCurvature: the network has changed");
  // Calls add(backward, samples, share kept) for each target.
  const auto each = [&](const auto& add) {
    double share = update.kept;
    for_each_backward(batch, update.targets, rng, [&](const Backward& backward, double samples) {
      add(backward, samples, share);
      share = 1;
    });
  };
  factors_.add_inputs(batch, update.sharing, update.kept);
  each([&](const Backward& backward, double samples, double share) {
    factors_.add_gradients(batch, backward, update.sharing, samples, share);
    moments_.add_others(batch, backward, samples, share);
  });
  if (update.renewed || !curvature_) decompose();
  if (kind_ == CurvatureKind::ekfac) {
    each([&](const Backward& backward, double samples, double share) {
      moments_.add_layers(batch, backward, blocks_, samples, share);
    });
  }
  refresh();
}

void RunningCurvature::decompose() {
  const auto before = blocks_;
  factors_.decompose(blocks_);
  if (kind_ == CurvatureKind::kfac || !curvature_) return;
  for (size_t i = 0; i < layers_; ++i) {
    const auto left = blocks_[i].left.t().matmul(before[i].left).square();
    const auto right = before[i].right.t().matmul(blocks_[i].right).square();
    auto& sum = moments_.moments()[i].sum;
    sum = left.matmul(sum).matmul(right);
  }
}

void RunningCurvature::refresh() {
  moments_.set(blocks_);
  curvature_.emplace(space_, blocks_);
}

TensorMap RunningCurvature::tensors() const {
  TensorMap tensors;
  if (!curvature_) return tensors;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const auto& block = blocks_[i];
    const auto name = kPrefix + block.name;
    std::vector<int64_t> layout = {static_cast<int64_t>(i), i < layers_ ? 1 : 0, block.rows};
    layout.insert(layout.end(), block.tensors.begin(), block.tensors.end());
    tensors[name + std::string(kLayout)] = torch::tensor(layout, torch::kInt64);
    const auto& moments = moments_.moments()[i];
    std::vector<double> weights = {moments.weight};
    if (moments.sum.defined()) tensors[name + ".moments"] = moments.sum;
    if (i < layers_) {
      tensors[name + ".left"] = block.left;
      tensors[name + ".right"] = block.right;
      if (!moments.sum.defined()) tensors[name + ".eigenvalues"] = block.eigenvalues;
      tensors[name + ".inputs"] = factors_.inputs()[i].sum;
      tensors[name + ".gradients"] = factors_.gradients()[i].sum;
      weights.push_back(factors_.inputs()[i].weight);
      weights.push_back(factors_.gradients()[i].weight);
    }
    tensors[name + ".weights"] = torch::tensor(weights, torch::kFloat64);
  }
  return tensors;
}

void RunningCurvature::lay_out(const TensorMap& tensors) {
  std::map<int64_t, Layout> ordered;
  std::set<int64_t> covered;
  size_t parameters = 0;
  for (const auto& [name, tensor] : tensors) {
    if (!is_layout(name)) continue;
    const auto layout = read_layout(name, tensor, space_);
    ordered.emplace(layout.position, layout);
    covered.insert(layout.block.tensors.begin(), layout.block.tensors.end());
    parameters += layout.block.tensors.size();
    layers_ += static_cast<size_t>(layout.layer);
  }
  const auto all = space_.blocks().size();
  if (covered.size() != all || parameters != all) {
    throw CheckpointError(
        fmt::format("tensors '{}*{}': want each parameter of the network once: {} of {} are there, "
                    "in {} places",
                    kPrefix, kLayout, covered.size(), all, parameters));
  }
  const bool twice = space_.parameters().front().scalar_type() == torch::kFloat64;
  const auto options = space_.parameters().front().options().requires_grad(false).dtype(
      twice ? torch::kFloat64 : torch::kFloat32);
  moments_ = EigenMoments(ordered.size());
  for (auto& [position, layout] : ordered) {
    auto& block = layout.block;
    const auto m = block.rows, n = layout.count(space_) / m;
    const auto i = blocks_.size();
    block.eigenvalues = torch::zeros({m, n}, options);
    if (layout.layer == 1) {
      block.left = torch::zeros({m, m}, options);
      block.right = torch::zeros({n, n}, options);
      factors_.gradients().push_back({torch::zeros({m, m}, options), 1});
      factors_.inputs().push_back({torch::zeros({n, n}, options), 1});
    }
    if (layout.layer == 0 || kind_ == CurvatureKind::ekfac) {
      moments_.moments()[i] = {torch::zeros({m, n}, options), 1};
    }
    blocks_.push_back(block);
  }
  refresh();
}

void RunningCurvature::load(const TensorMap& tensors) {
  const torch::NoGradGuard no_grad;
  RunningCurvature fresh(kind_, space_);
  if (!tensors.empty()) {
    fresh.lay_out(tensors);
    const auto own = fresh.tensors();
    require_same_layout(tensors, own);
    for (const auto& [name, tensor] : own) torch::Tensor(tensor).copy_(tensors.at(name));
    for (size_t i = 0; i < fresh.blocks_.size(); ++i) {
      const auto weights = tensors.at(kPrefix + fresh.blocks_[i].name + ".weights").cpu();
      fresh.moments_.moments()[i].weight = weights[0].item<double>();
      if (i >= fresh.layers_) continue;
      fresh.factors_.inputs()[i].weight = weights[1].item<double>();
      fresh.factors_.gradients()[i].weight = weights[2].item<double>();
    }
    fresh.refresh();
  }
  *this = std::move(fresh);
}

}  // namespace halcyon
