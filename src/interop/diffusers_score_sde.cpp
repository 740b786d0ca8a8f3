#include "interop/diffusers_score_sde.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace halcyon {
namespace {

constexpr int64_t kSteps = 2000;  // of its pipeline

void note_differences(ConfigReader& config, DescribedScheduler& scheduler) {
  if (scheduler.sampler.pc.corrector_steps > 0) {
    scheduler.notes.emplace_back(
        "correct_steps: the size of a step is each image's own here, not one of the batch");
  }
  const auto& noise = scheduler.preconditioning.noise;
  // Its networks are told a sigma that ends that much, in ln sigma, above the level they are at.
  const double late = config.number("sampling_eps", 1e-5);
  config.require(0 <= late && late < 1, "sampling_eps", "a number in [0, 1)");
  const double most = late * std::log(noise.sigma_max / noise.sigma_min);
  if (most > 1e-3) {
    scheduler.notes.push_back(fmt::format(
        "sampling_eps = {}: networks are told the sigma of their level here, not one up to {:.2g} "
        "% higher",
        late, 100 * std::expm1(most)));
  }
}

}  // namespace

DescribedScheduler read_score_sde_ve(ConfigReader& config, int64_t steps) {
  DescribedScheduler scheduler;
  scheduler.name = config.text("_class_name", "");
  scheduler.preconditioning.name = "score";
  auto& noise = scheduler.preconditioning.noise;
  noise.name = "ve";
  noise.sigma_min = 2 * config.number("sigma_min", 0.01);
  noise.sigma_max = 2 * config.number("sigma_max", 1348);
  config.require(noise.sigma_min > 0 && std::isfinite(noise.sigma_min), "sigma_min",
                 "a number > 0");
  config.require(noise.sigma_max > noise.sigma_min && std::isfinite(noise.sigma_max), "sigma_max",
                 "a number > sigma_min");
  auto& sampler = scheduler.sampler;
  sampler.name = "pc";
  sampler.grid = GridSpacing::geometric;
  sampler.steps = steps > 0 ? steps : kSteps;
  sampler.pc.snr = config.number("snr", 0.15);
  config.require(sampler.pc.snr > 0 && std::isfinite(sampler.pc.snr), "snr", "a number > 0");
  sampler.pc.corrector_steps = config.whole("correct_steps", 1);
  config.require(sampler.pc.corrector_steps >= 0, "correct_steps", "a whole number, not negative");
  note_differences(config, scheduler);
  return scheduler;
}

nlohmann::ordered_json score_sde_ve_config(const NoiseProcessOptions& ve) {
  const auto process = make_noise_process(ve);
  nlohmann::ordered_json config = {{"_class_name", "ScoreSdeVeScheduler"},
                                   {"_diffusers_version", "0.30.0"}};
  config["correct_steps"] = 1;
  config["num_train_timesteps"] = kSteps;
  config["sampling_eps"] = 1e-5;
  config["sigma_max"] = process->sigma_max() / 2;
  config["sigma_min"] = process->sigma_min() / 2;
  config["snr"] = 0.15;
  return config;
}

}  // namespace halcyon
