#include "curvature/parameter_space.h"

#include "core/torch.h"

namespace halcyon {

ParameterSpace::ParameterSpace(const torch::nn::Module& module) {
  int64_t begin = 0;
  for (const auto& item : module.named_parameters()) {
    blocks_.push_back({item.key(), begin, item.value().numel()});
    parameters_.push_back(item.value());
    begin += item.value().numel();
  }
  TORCH_CHECK(!blocks_.empty(), "ParameterSpace: the module has no parameters");
}

int64_t ParameterSpace::dim() const { return blocks_.back().begin + blocks_.back().count; }

std::vector<ParameterSpace::Block> ParameterSpace::layers() const {
  std::vector<Block> layers;
  for (const auto& block : blocks_) {
    const auto end = block.name.rfind('.');
    const auto module = end == std::string::npos ? std::string() : block.name.substr(0, end);
    if (layers.empty() || layers.back().name != module) layers.push_back({module, block.begin, 0});
    layers.back().count += block.count;
  }
  return layers;
}

torch::Tensor ParameterSpace::flat(const std::vector<torch::Tensor>& tensors) const {
  TORCH_CHECK(tensors.size() == blocks_.size(), "flat: want ", blocks_.size(), " tensors, got ",
              tensors.size());
  std::vector<torch::Tensor> parts;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto& parameter = parameters_[i];
    parts.push_back(tensors[i].defined() ? tensors[i].reshape({-1})
                                         : parameter.new_zeros({parameter.numel()}));
  }
  return torch::cat(parts);
}

std::vector<torch::Tensor> ParameterSpace::shaped(const torch::Tensor& vector) const {
  TORCH_CHECK(vector.dim() == 1 && vector.size(0) == dim(), "shaped: want a vector of ", dim(),
              ", got ", vector.sizes());
  std::vector<torch::Tensor> tensors;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const auto part = vector.narrow(0, blocks_[i].begin, blocks_[i].count);
    tensors.push_back(part.view(parameters_[i].sizes()).to(parameters_[i].options()));
  }
  return tensors;
}

ScopedStep::ScopedStep(const ParameterSpace& space, const torch::Tensor& step) {
  const torch::NoGradGuard no_grad;
  const auto steps = space.shaped(step);
  for (size_t i = 0; i < steps.size(); ++i) {
    parameters_.push_back(space.parameters()[i]);
    saved_.push_back(parameters_.back().detach());
    parameters_.back().set_data(saved_.back() + steps[i]);
  }
}

ScopedStep::~ScopedStep() {
  for (size_t i = 0; i < parameters_.size(); ++i) parameters_[i].set_data(saved_[i]);
}

}  // namespace halcyon
