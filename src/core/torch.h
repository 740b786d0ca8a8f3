#pragma once

// LibTorch's tensors, autograd and base of modules: what nearly every file needs.  All of
// <torch/torch.h> would cost each of them 2 to 4 seconds more to compile, precompiled or not.
#include <torch/autograd.h>
#include <torch/cuda.h>
#include <torch/nn/module.h>
#include <torch/types.h>
#include <torch/utils.h>
