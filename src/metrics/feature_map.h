#pragma once

#include <torch/types.h>

#include <string>

namespace halcyon {

/// Where sets of images are compared: a function from images to vectors.
class FeatureMap {
 public:
  virtual ~FeatureMap() = default;

  /// Tells this map, with its options, from others, in words.
  virtual std::string name() const = 0;

  /// Features [B, F], float32, of images [B, C, H, W] in model units.
  virtual torch::Tensor features(const torch::Tensor& images) = 0;

  /// Whether it also knows classes.
  virtual bool classifies() const { return false; }

  /// Probabilities [B, K] of classes, where it knows some.
  virtual torch::Tensor probabilities(const torch::Tensor& images);
};

/// Means and standard deviations over the pixels of the maps of three convolutions whose weights
/// are random and always the same: F = 448.  They see edges, texture and their arrangement, and no
/// meaning; the distances of two sets of models mostly have the same order by them, but not the
/// values of published ones.
class RandomFeatures final : public FeatureMap {
 public:
  std::string name() const override { return "random convolutions"; }
  torch::Tensor features(const torch::Tensor& images) override;
};

}  // namespace halcyon
