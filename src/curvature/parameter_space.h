#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <string>
#include <vector>

namespace halcyon {

/// The parameters theta of a module as a point of R^P: one vector, a block of it for each of them,
/// in the module's own order.
class ParameterSpace {
 public:
  struct Block {
    std::string name;
    int64_t begin;
    int64_t count;
  };

  explicit ParameterSpace(const torch::nn::Module& module);

  /// P.
  int64_t dim() const;
  const std::vector<Block>& blocks() const { return blocks_; }
  /// The blocks of one module as one, under the module's name.
  std::vector<Block> layers() const;
  /// The module's own.
  const std::vector<torch::Tensor>& parameters() const { return parameters_; }

  /// One vector [P] of tensors shaped as the parameters, of their type; undefined ones count as 0.
  torch::Tensor flat(const std::vector<torch::Tensor>& tensors) const;
  /// The inverse: views of the vector, or copies in the parameters' type.
  std::vector<torch::Tensor> shaped(const torch::Tensor& vector) const;

 private:
  std::vector<Block> blocks_;
  std::vector<torch::Tensor> parameters_;
};

/// theta + step for as long as it lives: the module computes with it.
class ScopedStep {
 public:
  ScopedStep(const ParameterSpace& space, const torch::Tensor& step);
  ~ScopedStep();
  ScopedStep(const ScopedStep&) = delete;
  ScopedStep& operator=(const ScopedStep&) = delete;

 private:
  std::vector<torch::Tensor> parameters_;
  std::vector<torch::Tensor> saved_;
};

}  // namespace halcyon
