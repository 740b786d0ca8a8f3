#pragma once

#include <torch/types.h>

#include <vector>

namespace halcyon {

struct EmaOptions {
  std::vector<double> halflife_images = {500000};
  double rampup = 0.05;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(
        self.halflife_images, "halflife_images",
        "half-lives of the averages of the weights, in training images; the first is the default");
    field(self.rampup, "rampup",
          "a half-life is at most this share of the images seen so far; 0: no limit");
  }
};

/// Exponential moving average of the weights with a half-life in images: over n more images the
/// old average keeps the share 0.5^(n / halflife) (Karras et al. 2022, App. F.2, and their
/// ramp-up).
struct Ema {
  /// Starts at a copy of `values`.  @throws ConfigError unless halflife_images > 0 and rampup >= 0.
  Ema(double halflife_images, double rampup, const torch::Tensor& values);

  /// The share of the new values in the average after a step of `batch` images, `images` seen in
  /// all with it.
  double new_share(int64_t batch, int64_t images) const;

  /// After a step of `batch` images, `images` seen in all with it.
  void update(const torch::Tensor& values, int64_t batch, int64_t images);

  double halflife_images;
  double rampup;
  torch::Tensor average;  ///< laid out as the parameters' values
};

}  // namespace halcyon
