#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace halcyon {

/// Where the time of some work goes: an operator of LibTorch, or of ours under RECORD_FUNCTION, or
/// a node of autograd, without the operators that it calls.
struct OperatorTime {
  std::string name;
  std::string pass;  ///< forward, backward, or update: forward without autograd
  int64_t calls = 0;
  double seconds = 0;
};

/// Runs `work` on this thread and returns its operators, the slowest first, and "(between
/// operators)" for the rest, so that the sum is the time it took.  Work that LibTorch gives to
/// threads of its own counts to the operator that waits for it.  A GPU is waited for at both ends
/// of each operator: the whole takes longer than it would unobserved.  One call at a time.
std::vector<OperatorTime> profile_operators(const std::function<void()>& work,
                                            torch::Device device = torch::kCPU);

}  // namespace halcyon
