#include "core/preconditioning.h"

#include <fmt/format.h>

#include <cmath>

#include "core/error.h"
#include "core/registry.h"
#include "core/torch.h"

namespace halcyon {
namespace {

/// Between the levels of its process, whose networks see x_t = s x.
class ProcessPreconditioning : public Preconditioning {
 public:
  explicit ProcessPreconditioning(const PreconditioningOptions& options)
      : process_(make_noise_process(process_options(options))) {}

  double sigma_min() const override { return process_->sigma_min(); }
  double sigma_max() const override { return process_->sigma_max(); }

 protected:
  const NoiseProcess& process() const { return *process_; }

 private:
  std::unique_ptr<NoiseProcess> process_;
};

/// Karras et al. 2022, Table 1, "Ours (EDM)": input and target of F have unit variance, and the
/// error of F is amplified as little as possible.
class EdmPreconditioning final : public ProcessPreconditioning {
 public:
  explicit EdmPreconditioning(const PreconditioningOptions& options)
      : ProcessPreconditioning(options), sigma_data_(options.sigma_data) {
    if (!(sigma_data_ > 0 && std::isfinite(sigma_data_))) {
      throw ConfigError(
          fmt::format("preconditioning.sigma_data: want a number > 0, got {}", sigma_data_));
    }
  }

  Scaling scaling(const torch::Tensor& sigma) const override {
    const auto total = sigma.square() + sigma_data_ * sigma_data_;
    return {sigma_data_ * sigma_data_ / total, sigma * sigma_data_ * total.rsqrt(), total.rsqrt(),
            process().c_noise(sigma)};
  }

 private:
  double sigma_data_;
};

enum class Target { epsilon, score, x0, v, velocity };

/// Networks that see x_t = s x, of which s sigma is the noise.
///
///     epsilon:   D = x - sigma F                     (Ho et al. 2020)
///     score:     D = x + sigma F: grad log p(x_t) = F / (s sigma)
///                                                    (Song and Ermon 2019; Song et al. 2021)
///     x0:        D = F
///     v:         D = s x_t - s sigma F, of s^2 (1 + sigma^2) = 1
///                                                    (Salimans and Ho 2022)
///     velocity:  D = x_t - s sigma F, of s (1 + sigma) = 1: F is n - x_0 = dx_t / dt
template <Target target>
class TargetPreconditioning final : public ProcessPreconditioning {
 public:
  explicit TargetPreconditioning(const PreconditioningOptions& options)
      : ProcessPreconditioning(options) {
    constexpr bool wants_signal = target == Target::epsilon || target == Target::score;
    if (wants_signal && options.noise.vp.zero_terminal_snr) {
      throw ConfigError(fmt::format(
          "preconditioning.zero_terminal_snr: want false for preconditioning.name = {}: where "
          "there is noise only, knowing it tells nothing of the image",
          options.name));
    }
  }

  Scaling scaling(const torch::Tensor& sigma) const override {
    const auto c_in = process().scale(sigma);
    const auto c_noise = process().c_noise(sigma);
    switch (target) {
      case Target::epsilon:
        return {torch::ones_like(sigma), -sigma, c_in, c_noise};
      case Target::score:
        return {torch::ones_like(sigma), sigma, c_in, c_noise};
      case Target::x0:
        return {torch::zeros_like(sigma), torch::ones_like(sigma), c_in, c_noise};
      case Target::v:
        return {c_in.square(), -sigma * c_in, c_in, c_noise};
      case Target::velocity:
        return {c_in, -sigma * c_in, c_in, c_noise};
    }
    TORCH_CHECK(false, "unreachable");
  }
};

template <class T>
std::unique_ptr<Preconditioning> make(const PreconditioningOptions& options) {
  return std::make_unique<T>(options);
}

const PreconditioningEntry& entry_of(const PreconditioningOptions& options) {
  return find_entry(preconditioning_registry(), options.name, "preconditioning.name");
}

const char* const kNoiseOnly =
    "flow ends in noise only, and knowing it tells nothing of the image; edm's process is ve's "
    "with "
    "other constants";

}  // namespace

const std::vector<PreconditioningEntry>& preconditioning_registry() {
  static const std::vector<PreconditioningEntry> entries = {
      {"edm",
       "unit-variance input and target at every sigma (Karras et al. 2022)",
       {"edm"},
       "its scalings and what its networks are told belong to x_0 + t n",
       make<EdmPreconditioning>},
      {"epsilon",
       "the noise n (Ho et al. 2020)",
       {"vp", "vp_sde", "sub_vp", "ve"},
       kNoiseOnly,
       make<TargetPreconditioning<Target::epsilon>>},
      {"v",
       "sqrt(alpha_bar) n - sqrt(1 - alpha_bar) x_0 (Salimans and Ho 2022)",
       {"vp", "vp_sde"},
       "it needs alpha_bar: a process that preserves variance",
       make<TargetPreconditioning<Target::v>>},
      {"x0",
       "the clean image x_0 (Ho et al. 2020)",
       {"vp", "vp_sde", "sub_vp", "ve", "flow"},
       "edm's process is ve's with other constants",
       make<TargetPreconditioning<Target::x0>>},
      {"score",
       "the score, times the noise in x_t (Song and Ermon 2019; Song et al. 2021)",
       {"ve", "vp_sde", "sub_vp", "vp"},
       kNoiseOnly,
       make<TargetPreconditioning<Target::score>>},
      {"velocity",
       "n - x_0, the velocity of rectified flow",
       {"flow"},
       "n - x_0 is the velocity dx_t / dt of that process only",
       make<TargetPreconditioning<Target::velocity>>},
  };
  return entries;
}

NoiseProcessOptions process_options(const PreconditioningOptions& options) {
  const auto& entry = entry_of(options);
  auto noise = options.noise;
  if (noise.name == "auto") noise.name = entry.processes.front();
  find_entry(noise_process_registry(), noise.name, "preconditioning.process");
  std::string wanted;
  for (const auto& process : entry.processes) {
    if (process == noise.name) return noise;
    wanted += (wanted.empty() ? "" : " or ") + process;
  }
  throw ConfigError(
      fmt::format("preconditioning.process: want {} for preconditioning.name = {}, got {}: {}",
                  wanted, entry.name, noise.name, entry.reason));
}

std::unique_ptr<Preconditioning> make_preconditioning(const PreconditioningOptions& options) {
  return entry_of(options).make(options);
}

torch::Tensor PreconditionedDenoiser::denoise(const torch::Tensor& x, const torch::Tensor& sigma) {
  const auto s = preconditioning_.scaling(sigma);
  const auto label = label_.defined() ? label_.expand({x.size(0)}) : label_;
  const auto raw = network_.forward(per_sample(s.c_in, x) * x, s.c_noise, label);
  return per_sample(s.c_skip, x) * x + per_sample(s.c_out, x) * raw;
}

}  // namespace halcyon
