#include "core/process_registry.h"

#include <fmt/format.h>

#include <cmath>

#include "core/continuous_processes.h"
#include "core/registry.h"

namespace halcyon {
namespace {

/// A process of x = x_0 + sigma n, between the levels of the options or those given.
template <class T>
std::unique_ptr<NoiseProcess> make_exploding(const NoiseProcessOptions& options, double sigma_min,
                                             double sigma_max) {
  if (options.sigma_min != 0) sigma_min = options.sigma_min;
  if (options.sigma_max != 0) sigma_max = options.sigma_max;
  if (!(0 < sigma_min && sigma_min < sigma_max && std::isfinite(sigma_max))) {
    throw ConfigError(fmt::format("preconditioning: want 0 < sigma_min < sigma_max, got {} and {}",
                                  sigma_min, sigma_max));
  }
  return std::make_unique<T>(sigma_min, sigma_max);
}

void refuse_range(const NoiseProcessOptions& options) {
  if (options.sigma_min == 0 && options.sigma_max == 0) return;
  throw ConfigError(fmt::format(
      "preconditioning: want sigma_min = sigma_max = 0 for process = {}, whose other constants "
      "decide its noise levels; got {} and {}",
      options.name, options.sigma_min, options.sigma_max));
}

std::unique_ptr<NoiseProcess> make_edm(const NoiseProcessOptions& options) {
  return make_exploding<EdmProcess>(options, 0.002, 80);
}

std::unique_ptr<NoiseProcess> make_ve(const NoiseProcessOptions& options) {
  return make_exploding<VeProcess>(options, 0.02, 100);
}

std::unique_ptr<NoiseProcess> make_vp(const NoiseProcessOptions& options) {
  refuse_range(options);
  return std::make_unique<VpSchedule>(options.vp);
}

template <SdeNoise noise>
std::unique_ptr<NoiseProcess> make_sde(const NoiseProcessOptions& options) {
  refuse_range(options);
  return std::make_unique<SdeProcess>(noise, options.vp);
}

std::unique_ptr<NoiseProcess> make_flow(const NoiseProcessOptions& options) {
  refuse_range(options);
  return std::make_unique<FlowProcess>(options.vp);
}

}  // namespace

const std::vector<NoiseProcessEntry>& noise_process_registry() {
  static const std::vector<NoiseProcessEntry> entries = {
      {"edm", "x_0 + t n (Karras et al. 2022)", make_edm},
      {"vp", "sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) n, discrete t (Ho et al. 2020)", make_vp},
      {"vp_sde", "the same, continuous in t (Song et al. 2021)", make_sde<SdeNoise::preserving>},
      {"sub_vp", "alpha x_0 + (1 - alpha^2) n, alpha as vp_sde's (Song et al. 2021)",
       make_sde<SdeNoise::subpreserving>},
      {"ve", "x_0 + sigma_min (sigma_max / sigma_min)^t n (Song et al. 2021)", make_ve},
      {"flow", "(1 - t) x_0 + t n: rectified flow", make_flow},
  };
  return entries;
}

std::unique_ptr<NoiseProcess> make_noise_process(const NoiseProcessOptions& options) {
  check_options(options.vp);
  auto process =
      find_entry(noise_process_registry(), options.name, "preconditioning.process").make(options);
  if (!(process->sigma_min() < process->sigma_max()) || !std::isfinite(process->sigma_max())) {
    throw ConfigError(fmt::format(
        "preconditioning: process = {} with timesteps = {}, beta_start = {} and beta_end = {} goes "
        "from sigma {} to {}; want finite levels that increase",
        options.name, options.vp.timesteps, options.vp.beta_start, options.vp.beta_end,
        process->sigma_min(), process->sigma_max()));
  }
  return process;
}

}  // namespace halcyon
