#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "cli/progress.h"
#include "cli/restore_method.h"
#include "cli/restore_report.h"
#include "io/safetensors.h"

namespace halcyon {

struct RestorationOptions {
  std::string path;        ///< of the safetensors file
  int64_t samples = 1;     ///< draws of each image
  int64_t batch = 1;       ///< draws made at once
  uint64_t seed = 0;       ///< of the draws
  Metadata metadata = {};  ///< of the file
};

/// Draws from p(x_0 | y) that are measured and written as they are made, whole images at a time: in
/// memory are `batch` draws, or those of one image if they are more.  The file holds "samples"
/// [N, K, C, H, W], "y" and, if it is known, "truth".
class Restoration {
 public:
  /// Outlived by all but the options.
  Restoration(RestorationOptions options, Denoiser& denoiser, const LinearOperator& measure,
              const RestoreMethod& method, std::vector<double> sigmas);

  /// given: y, and truth if there is one.  The file comes into being whole, at the end.
  /// @throws NonFiniteError naming draws and seed; FileError
  void run(const Restored& given, torch::Device device);

  /// The first images, up to kMostShown, after run().
  const Restored& shown() const { return shown_; }
  RestoredFigures figures() const { return moments_.figures(); }
  /// Network evaluations of a draw.
  double nfe() const;

 private:
  torch::Tensor draws(const torch::Tensor& y, int64_t first, Progress& progress);

  RestorationOptions options_;
  CountingDenoiser denoiser_;
  const LinearOperator& measure_;
  const RestoreMethod& method_;
  std::vector<double> sigmas_;
  RestorationMoments moments_;
  Restored shown_;
  int64_t batches_ = 0;
};

}  // namespace halcyon
