#include "core/preconditioning.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <cmath>

#include "core/registry.h"

namespace halcyon {
namespace {

/// Karras et al. 2022, Table 1, "Ours (EDM)": input and target of F have unit variance, and the
/// error of F is amplified as little as possible.
class EdmPreconditioning final : public Preconditioning {
 public:
  explicit EdmPreconditioning(const PreconditioningOptions& options)
      : sigma_data_(options.sigma_data) {}

  Scaling scaling(const torch::Tensor& sigma) const override {
    const auto total = sigma.square() + sigma_data_ * sigma_data_;
    return {sigma_data_ * sigma_data_ / total, sigma * sigma_data_ * total.rsqrt(), total.rsqrt(),
            sigma.log() / 4};
  }

  double sigma_min() const override { return 0.002; }
  double sigma_max() const override { return 80; }

 private:
  double sigma_data_;
};

enum class VpTarget { epsilon, v, x0 };

/// Networks of the discrete VP process: they see x_t = x / sqrt(1 + sigma^2) and the time t.
///
///     epsilon:  D = x - sigma F                                   (Ho et al. 2020)
///     v:        D = (x / sqrt(1 + sigma^2) - sigma F) / sqrt(1 + sigma^2)
///                                                                 (Salimans and Ho 2022)
///     x0:       D = F
template <VpTarget target>
class VpPreconditioning final : public Preconditioning {
 public:
  explicit VpPreconditioning(const PreconditioningOptions& options) : schedule_(options.vp) {}

  Scaling scaling(const torch::Tensor& sigma) const override {
    const auto c_in = (1 + sigma.square()).rsqrt();  // sqrt(alpha_bar)
    const auto t = schedule_.time(sigma);
    switch (target) {
      case VpTarget::epsilon:
        return {torch::ones_like(sigma), -sigma, c_in, t};
      case VpTarget::v:
        return {c_in.square(), -sigma * c_in, c_in, t};
      case VpTarget::x0:
        return {torch::zeros_like(sigma), torch::ones_like(sigma), c_in, t};
    }
    TORCH_CHECK(false, "unreachable");
  }

  double sigma_min() const override { return schedule_.sigma_min(); }
  double sigma_max() const override { return schedule_.sigma_max(); }

 private:
  VpSchedule schedule_;
};

template <class T>
std::unique_ptr<Preconditioning> make(const PreconditioningOptions& options) {
  return std::make_unique<T>(options);
}

}  // namespace

const std::vector<PreconditioningEntry>& preconditioning_registry() {
  static const std::vector<PreconditioningEntry> entries = {
      {"edm", "unit-variance input and target at every sigma (Karras et al. 2022)",
       make<EdmPreconditioning>},
      {"epsilon", "the noise, on the discrete VP process (Ho et al. 2020)",
       make<VpPreconditioning<VpTarget::epsilon>>},
      {"v", "sqrt(alpha_bar) eps - sqrt(1 - alpha_bar) x_0 (Salimans and Ho 2022)",
       make<VpPreconditioning<VpTarget::v>>},
      {"x0", "the clean image, on the discrete VP process (Ho et al. 2020)",
       make<VpPreconditioning<VpTarget::x0>>},
  };
  return entries;
}

std::unique_ptr<Preconditioning> make_preconditioning(const PreconditioningOptions& options) {
  if (options.name == "edm" && !(options.sigma_data > 0 && std::isfinite(options.sigma_data))) {
    throw ConfigError(
        fmt::format("preconditioning.sigma_data: want a number > 0, got {}", options.sigma_data));
  }
  return find_entry(preconditioning_registry(), options.name, "preconditioning.name").make(options);
}

torch::Tensor PreconditionedDenoiser::denoise(const torch::Tensor& x, const torch::Tensor& sigma) {
  const auto s = preconditioning_.scaling(sigma);
  const auto label = label_.defined() ? label_.expand({x.size(0)}) : label_;
  const auto raw = network_.forward(per_sample(s.c_in, x) * x, s.c_noise, label);
  return per_sample(s.c_skip, x) * x + per_sample(s.c_out, x) * raw;
}

}  // namespace halcyon
