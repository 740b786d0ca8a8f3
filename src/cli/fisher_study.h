#pragma once

#include <torch/types.h>

#include <functional>
#include <string>
#include <vector>

#include "core/denoiser.h"
#include "data/image_set.h"
#include "fisher/fisher_level.h"
#include "fisher/fisher_options.h"
#include "fisher/log_sigma_quadrature.h"
#include "samplers/registry.h"

namespace halcyon {

/// On which images, with which noise and at which levels denoisers are measured.  Levels take
/// their images one after the other from one shuffled order, so that neighbouring levels are
/// independent; a seed and a level give the same images and noise, whatever is measured.
class FisherStudy {
 public:
  /// The levels of `options` that lie in `range`, on images of `set`.
  FisherStudy(const ImageSet& set, const FisherOptions& options, const ModelRange& range,
              uint64_t seed, torch::Device device);

  const std::vector<double>& sigmas() const { return sigmas_; }
  /// Images at each level.
  int64_t count() const { return count_; }
  int64_t dim() const { return images_[0].numel(); }
  /// @throws DataError with fewer than the 4 images that standard errors need.
  void require_enough_images() const;
  const FisherOptions& options() const { return options_; }
  /// Whether there are images enough for each level to have its own.
  Levels levels() const;

  struct Batch {
    torch::Tensor x0, noise;  ///< [B, C, H, W], on the device
  };
  /// Calls `on_batch` for each batch of level k.
  void for_each_batch(size_t k, const std::function<void(const Batch&)>& on_batch) const;

  /// Level k, empty, and measured.  `mean_image` [C, H, W] in model units is for the control
  /// variates.
  FisherLevel empty_level(size_t k, const torch::Tensor& mean_image) const;
  FisherLevel measure(Denoiser& denoiser, size_t k, const torch::Tensor& mean_image) const;

  /// The first `count` images of the order, in model units, on the device: for pictures.
  torch::Tensor panel(int64_t count) const;
  /// `count` images, each any of the set, as panel(); `rng` of the CPU.
  torch::Tensor random_images(int64_t count, at::Generator& rng) const;
  struct LabelledPanel {
    torch::Tensor x0, labels;  ///< labels [count]; undefined if the set has none
  };
  /// The same with their labels among those of the set, [N] or undefined.
  LabelledPanel labelled_panel(int64_t count, const torch::Tensor& labels) const;

 private:
  torch::Tensor chosen(int64_t first, int64_t count) const;

  torch::Tensor images_;  // as the set has them
  torch::Tensor order_;
  FisherOptions options_;
  std::vector<double> sigmas_;
  int64_t count_;
  uint64_t seed_;
  torch::Device device_;
};

/// Every level of the study in turn; `on_level` is called with the number of levels done.
std::vector<FisherEstimates> measure_levels(Denoiser& denoiser, const FisherStudy& study,
                                            const torch::Tensor& mean_image,
                                            const std::function<void(int64_t)>& on_level);

/// Sums of levels kept in a folder, so that a study that was stopped goes on where it was.
class LevelStore {
 public:
  /// `key` says what the sums are of; sums of another key are not there.
  LevelStore(std::string folder, std::string key);

  /// Whether level k was kept, and is now in `level`.
  bool load(size_t k, FisherLevel& level) const;
  void save(size_t k, const FisherLevel& level) const;

 private:
  std::string file(size_t k) const;

  std::string folder_;
  std::string key_;
};

/// The mean of a set in model units, [C, H, W] float32.
torch::Tensor mean_image(const ImageSet& set);

}  // namespace halcyon
