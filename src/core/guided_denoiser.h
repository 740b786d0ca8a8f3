#pragma once

#include <cstdint>

#include "core/denoiser.h"
#include "core/preconditioning.h"

namespace halcyon {

struct GuidanceOptions {
  double weight = 1;
  double low = 0;
  double high = 0;
  double rescale = 0;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.weight, "weight", "w of D = D_weak + w (D_strong - D_weak); 1: none");
    field(self.low, "low", "guide at noise levels from here on, >= 0");
    field(self.high, "high", "guide at noise levels up to here; 0: no limit");
    field(self.rescale, "rescale",
          "share, in [0, 1], in which the spread of each guided image is put back to that of the "
          "unguided");
  }
};

/// The two denoisers that guidance tells apart: a strong one, and a weak one to be led away from.
class DenoiserPair {
 public:
  struct Denoised {
    torch::Tensor strong, weak;
  };

  virtual ~DenoiserPair() = default;
  /// x: [B, ...]; sigma: [B], > 0.  One network evaluation a sample.
  virtual torch::Tensor strong(const torch::Tensor& x, const torch::Tensor& sigma) = 0;
  /// Both at the same point.  Two network evaluations a sample.
  virtual Denoised both(const torch::Tensor& x, const torch::Tensor& sigma) = 0;
};

/// Any two denoisers.
class TwoDenoisers final : public DenoiserPair {
 public:
  TwoDenoisers(Denoiser& strong, Denoiser& weak) : strong_(strong), weak_(weak) {}

  torch::Tensor strong(const torch::Tensor& x, const torch::Tensor& sigma) override;
  Denoised both(const torch::Tensor& x, const torch::Tensor& sigma) override;

 private:
  Denoiser& strong_;
  Denoiser& weak_;
};

/// One conditional network with a class and without: both in one batch of 2 B.
class WithAndWithoutClass final : public DenoiserPair {
 public:
  /// label: a class of the network, below network.num_classes().
  WithAndWithoutClass(ScoreNetwork& network, const Preconditioning& preconditioning, int64_t label);

  torch::Tensor strong(const torch::Tensor& x, const torch::Tensor& sigma) override;
  Denoised both(const torch::Tensor& x, const torch::Tensor& sigma) override;

 private:
  torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor& sigma, int64_t without);

  ScoreNetwork& network_;
  const Preconditioning& preconditioning_;
  int64_t label_;
};

/// Guidance: a decorator of two denoisers, at every low <= sigma <= high
///
///     D(x; sigma) = D_weak + w (D_strong - D_weak),   s = s_weak + w (s_strong - s_weak)
///
/// and D_strong elsewhere (Kynkaanniemi et al. 2024).  With D_weak the same network without its
/// class it is classifier-free guidance (Ho and Salimans 2022, who write 1 + w for w), with a
/// smaller or less trained model autoguidance (Karras et al. 2024).  Rescaled, per sample, with the
/// standard deviation over the numbers of an image (Lin et al. 2024):
///
///     D <- (1 - rescale) D + rescale D std(D_strong) / std(D)
class GuidedDenoiser final : public Denoiser {
 public:
  /// @throws ConfigError for options out of range.
  GuidedDenoiser(DenoiserPair& pair, const GuidanceOptions& options);

  torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor& sigma) override;

  /// Network evaluations per sample beyond one for each call: those of D_weak.
  int64_t second_evaluations() const { return second_evaluations_; }

 private:
  torch::Tensor guided(const DenoiserPair::Denoised& denoised) const;

  DenoiserPair& pair_;
  GuidanceOptions options_;
  int64_t second_evaluations_ = 0;
};

}  // namespace halcyon
