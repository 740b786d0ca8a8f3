#include "interop/diffusers_scheduler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/error.h"
#include "interop/config_reader.h"
#include "interop/diffusers_grid.h"
#include "interop/diffusers_score_sde.h"

namespace halcyon {
namespace {

/// A scheduler of diffusers and what comes nearest to it here.
struct SchedulerEntry {
  const char* name;
  const char* sampler;
  TimestepFamily family;
  const char* spacing;  ///< unless it says otherwise
  int64_t steps;        ///< of its pipelines
};

const std::vector<SchedulerEntry> kSchedulers = {
    {"DDPMScheduler", "ddpm", TimestepFamily::ddpm, "leading", 1000},
    {"DDIMScheduler", "ddim", TimestepFamily::ddpm, "leading", 50},
    {"PNDMScheduler", "plms", TimestepFamily::ddpm, "leading", 50},
    {"DPMSolverMultistepScheduler", "dpmpp_2m", TimestepFamily::dpm_solver, "linspace", 50},
    {"DPMSolverSinglestepScheduler", "dpmpp_2s", TimestepFamily::dpm_solver, "linspace", 50},
    {"UniPCMultistepScheduler", "unipc_2", TimestepFamily::dpm_solver, "linspace", 50},
    {"DEISMultistepScheduler", "deis_2", TimestepFamily::dpm_solver, "linspace", 50},
    {"EulerDiscreteScheduler", "euler", TimestepFamily::interpolated, "linspace", 50},
    {"EulerAncestralDiscreteScheduler", "euler_ancestral", TimestepFamily::interpolated, "linspace",
     50},
    {"HeunDiscreteScheduler", "heun", TimestepFamily::interpolated, "linspace", 50},
    {"KDPM2DiscreteScheduler", "midpoint", TimestepFamily::interpolated, "linspace", 50},
    {"LMSDiscreteScheduler", "lms", TimestepFamily::interpolated, "linspace", 50}};

constexpr const char* kScoreSdeVe = "ScoreSdeVeScheduler";

const SchedulerEntry& read_entry(ConfigReader& config) {
  const auto name = config.text("_class_name", "");
  std::string known;
  for (const auto& entry : kSchedulers) {
    if (name == entry.name) return entry;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", entry.name);
  }
  config.refuse("_class_name", fmt::format("one of {}, {}", known, kScoreSdeVe));
}

std::string read_prediction(ConfigReader& config) {
  // The first versions had a flag instead.
  const bool epsilon = config.flag("predict_epsilon", true);
  const auto type = config.text("prediction_type", epsilon ? "epsilon" : "sample");
  if (type == "epsilon") return "epsilon";
  if (type == "v_prediction") return "v";
  if (type == "sample") return "x0";
  config.refuse("prediction_type", "\"epsilon\", \"v_prediction\" or \"sample\"");
}

void read_betas(ConfigReader& config, VpScheduleOptions& vp) {
  vp.timesteps = config.whole("num_train_timesteps", 1000);
  vp.beta_start = config.number("beta_start", 1e-4);
  vp.beta_end = config.number("beta_end", 0.02);
  vp.zero_terminal_snr = config.flag("rescale_betas_zero_snr", false);
  const auto schedule = config.text("beta_schedule", "linear");
  vp.betas = config.numbers("trained_betas");
  if (!vp.betas.empty()) {
    vp.beta = BetaSchedule::listed;
    config.require(static_cast<int64_t>(vp.betas.size()) == vp.timesteps, "trained_betas",
                   fmt::format("{} numbers, one for each of num_train_timesteps", vp.timesteps));
    return;
  }
  const std::vector<std::pair<const char*, BetaSchedule>> known = {
      {"linear", BetaSchedule::linear},
      {"scaled_linear", BetaSchedule::scaled_linear},
      {"squaredcos_cap_v2", BetaSchedule::cosine},
      {"sigmoid", BetaSchedule::sigmoid}};
  const auto found = std::find_if(known.begin(), known.end(),
                                  [&](const auto& entry) { return schedule == entry.first; });
  config.require(found != known.end(), "beta_schedule",
                 "\"linear\", \"scaled_linear\", \"squaredcos_cap_v2\" or \"sigmoid\", or "
                 "trained_betas");
  vp.beta = found->second;
}

PreconditioningOptions read_process(ConfigReader& config, const std::string& file) {
  PreconditioningOptions options;
  options.name = read_prediction(config);
  read_betas(config, options.noise.vp);
  config.require(options.name != "epsilon" || !options.noise.vp.zero_terminal_snr,
                 "rescale_betas_zero_snr",
                 "false where the network predicts the noise: where there is nothing else, knowing "
                 "it tells nothing of the image");
  try {
    make_preconditioning(options);
  } catch (const ConfigError& error) {
    throw CheckpointError(fmt::format("{}: {}", file, error.what()));
  }
  return options;
}

/// The number of levels that a multistep method looks back on, as the last part of its name.
std::string with_order(ConfigReader& config, const std::string& sampler) {
  const auto order = config.whole("solver_order", 2);
  if (sampler == "dpmpp_2m") {
    const bool sde = config.text("algorithm_type", "dpmsolver++").rfind("sde-", 0) == 0;
    if (sde) return "dpmpp_2m_sde";
    return order == 1 ? "ddim" : order == 2 ? "dpmpp_2m" : "dpmpp_3m";
  }
  if (sampler == "unipc_2") return fmt::format("unipc_{}", std::clamp<int64_t>(order, 1, 3));
  if (sampler == "deis_2") return order < 3 ? "deis_2" : "deis_3";
  return sampler;
}

ReverseVariance read_variance(ConfigReader& config, std::vector<std::string>& notes) {
  const auto type = config.text("variance_type", "fixed_small");
  if (type == "fixed_large") return ReverseVariance::upper;
  if (type != "fixed_small" && type != "fixed_small_log") {
    notes.push_back(fmt::format("variance_type = {}: sampler.variance is posterior instead", type));
  }
  return ReverseVariance::posterior;
}

/// Dynamic thresholding, which takes the place of clipping.
ClampOptions read_thresholding(ConfigReader& config, std::vector<std::string>& notes) {
  const double quantile = config.number("dynamic_thresholding_ratio", 0.995);
  config.require(0 < quantile && quantile < 1, "dynamic_thresholding_ratio", "a number in (0, 1)");
  const double most = config.number("sample_max_value", 1);
  // No image is shrunk by more than this: by nothing, it is clipped.
  if (most <= 1) return {.limit = 1};
  notes.push_back(fmt::format(
      "sample_max_value = {}: thresholding shrinks estimates of the image without a bound here",
      most));
  return {.limit = 1, .quantile = quantile};
}

ClampOptions read_clamp(ConfigReader& config, const SchedulerEntry& entry,
                        std::vector<std::string>& notes) {
  const bool interpolated = entry.family == TimestepFamily::interpolated;
  const bool heun = std::string(entry.sampler) == "heun";
  const bool ddim = std::string(entry.sampler) == "ddim";
  const bool clips = ddim || std::string(entry.sampler) == "ddpm";
  const bool thresholds = clips || entry.family == TimestepFamily::dpm_solver;
  if (thresholds && config.flag("thresholding", false)) return read_thresholding(config, notes);
  if (!(clips || heun) || !config.flag("clip_sample", !interpolated)) return {};
  const double limit = config.number("clip_sample_range", 1);
  config.require(limit > 0 && std::isfinite(limit), "clip_sample_range", "a number > 0");
  notes.push_back(
      fmt::format("clip_sample: --clamp.limit {} does it while sampling{}", limit,
                  ddim ? "; the direction of a step is that of the clamped estimate" : ""));
  return {.limit = limit};
}

void note_differences(ConfigReader& config, std::vector<std::string>& notes) {
  const auto note = [&](bool differs, const char* what) {
    if (differs) notes.emplace_back(what);
  };
  note(!config.flag("set_alpha_to_one", true),
       "set_alpha_to_one = false: sampling ends at the image here, not at the first timestep");
  note(config.text("final_sigmas_type", "zero") != "zero",
       "final_sigmas_type: sampling ends at the image here");
  note(config.number("lambda_min_clipped", -1e9) > -1e8,
       "lambda_min_clipped: sampling begins at the last timestep here");
  note(config.flag("use_beta_sigmas", false),
       "use_beta_sigmas: there is no such grid here; the timesteps are taken instead");
}

SamplerOptions read_sampler(ConfigReader& config, const SchedulerEntry& entry, int64_t steps,
                            const VpScheduleOptions& vp, std::vector<std::string>& notes) {
  SamplerOptions sampler;
  sampler.name = with_order(config, entry.sampler);
  if (sampler.name == "ddpm") sampler.variance = read_variance(config, notes);
  sampler.steps = steps > 0 ? steps : std::min(entry.steps, vp.timesteps);
  const auto spacing = config.text("timestep_spacing", entry.spacing);
  config.require(spacing == "leading" || spacing == "linspace" || spacing == "trailing",
                 "timestep_spacing", "\"leading\", \"linspace\" or \"trailing\"");
  const auto offset = config.whole("steps_offset", 0);
  const bool karras = config.flag("use_karras_sigmas", false);
  if (karras || config.flag("use_exponential_sigmas", false)) {
    sampler.grid = karras ? GridSpacing::karras : GridSpacing::geometric;
    return sampler;
  }
  return with_grid(sampler, {entry.family, spacing, sampler.steps, offset}, VpSchedule(vp));
}

}  // namespace

DescribedScheduler read_diffusers_scheduler(const std::string& text, const std::string& file,
                                            int64_t steps) {
  ConfigReader config(text, file);
  if (config.text("_class_name", "") == kScoreSdeVe) return read_score_sde_ve(config, steps);
  const auto& entry = read_entry(config);
  DescribedScheduler scheduler;
  scheduler.name = entry.name;
  scheduler.preconditioning = read_process(config, file);
  scheduler.sampler =
      read_sampler(config, entry, steps, scheduler.preconditioning.noise.vp, scheduler.notes);
  scheduler.clamp = read_clamp(config, entry, scheduler.notes);
  note_differences(config, scheduler.notes);
  return scheduler;
}

nlohmann::ordered_json diffusers_scheduler_config(const PreconditioningOptions& preconditioning) {
  const auto noise = process_options(preconditioning);
  const auto refuse = [](const char* key, const std::string& found, const char* wanted) {
    throw ConfigError(fmt::format(
        "preconditioning.{}: {}, want {}: diffusers has no scheduler of it", key, found, wanted));
  };
  if (noise.name == "ve" && preconditioning.name == "score") return score_sde_ve_config(noise);
  const std::vector<std::pair<std::string, const char*>> predictions = {
      {"epsilon", "epsilon"}, {"v", "v_prediction"}, {"x0", "sample"}};
  const auto prediction =
      std::find_if(predictions.begin(), predictions.end(),
                   [&](const auto& known) { return known.first == preconditioning.name; });
  if (prediction == predictions.end()) refuse("name", preconditioning.name, "epsilon, v or x0");
  if (noise.name != "vp") refuse("process", noise.name, "vp, or ve with name = score");
  const auto& vp = noise.vp;
  nlohmann::ordered_json config = {{"_class_name", "DDPMScheduler"},
                                   {"_diffusers_version", "0.30.0"}};
  config["beta_end"] = vp.beta_end;
  const char* const schedules[] = {"linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid",
                                   "linear"};
  config["beta_schedule"] = schedules[static_cast<size_t>(vp.beta)];
  config["beta_start"] = vp.beta_start;
  config["clip_sample"] = false;
  config["clip_sample_range"] = 1.0;
  config["dynamic_thresholding_ratio"] = 0.995;
  config["num_train_timesteps"] = vp.timesteps;
  config["prediction_type"] = prediction->second;
  config["rescale_betas_zero_snr"] = vp.zero_terminal_snr;
  config["sample_max_value"] = 1.0;
  config["steps_offset"] = 0;
  config["thresholding"] = false;
  config["timestep_spacing"] = vp.zero_terminal_snr ? "trailing" : "leading";
  config["trained_betas"] =
      vp.betas.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(vp.betas);
  config["variance_type"] = "fixed_small";
  return config;
}

}  // namespace halcyon
