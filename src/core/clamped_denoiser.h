#pragma once

#include "core/denoiser.h"

namespace halcyon {

struct ClampOptions {
  double limit = 0;
  double quantile = 0;

  bool used() const { return limit != 0 || quantile != 0; }

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.limit, "limit", "keep D within -limit .. limit, 1 for images; 0: do not");
    field(self.quantile, "quantile",
          "p in (0, 1): instead of cutting off more than the share 1 - p of an image's numbers, "
          "shrink the image (dynamic thresholding); 0: do not");
  }
};

/// A denoiser whose estimate keeps to the range of the data, [-c, c]: a decorator,
///
///     D'(x; sigma) = min(max(D, -c), c),
///
/// the clipping that DDPM is mostly sampled with.  With a quantile p it is the dynamic thresholding
/// of Saharia et al. 2022 (Imagen, Section 2.3), where each image has a range of its own, shrunk to
/// c:
///
///     D' = c / m min(max(D, -m), m),   m = max(c, p-quantile of |D| over the numbers of the image)
///
/// Where the data lies within [-c, c], E[x_0 | x] does too, and an exact denoiser is left as it is
/// without a quantile.
class ClampedDenoiser final : public Denoiser {
 public:
  /// @throws ConfigError unless limit > 0 and 0 <= quantile < 1.
  ClampedDenoiser(Denoiser& inner, const ClampOptions& options);

  torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor& sigma) override;

 private:
  Denoiser& inner_;
  ClampOptions options_;
};

}  // namespace halcyon
