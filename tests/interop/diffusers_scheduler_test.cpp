#include "interop/diffusers_scheduler.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/gaussian_mixture.h"
#include "samplers/registry.h"
#include "tests/support/catch.h"
#include "tests/support/golden.h"

// Schedulers of diffusers on the exact denoiser of N(0.3, 0.5^2 I): tests/golden/README.md.

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const auto kDouble = torch::kFloat64;

/// The draws of a golden file, one after the other.
class ReplayedNoise final : public NoiseSource {
 public:
  explicit ReplayedNoise(const TensorMap& draws) : NoiseSource(0, 0, 2), draws_(draws) {}
  torch::Tensor normal_like(const torch::Tensor& x) override {
    return draws_.at("noise." + std::to_string(next_++)).to(kDouble).reshape(x.sizes());
  }
  torch::Tensor normal_between(const torch::Tensor& x, double, double) override {
    return normal_like(x);
  }

 private:
  const TensorMap& draws_;
  int next_ = 0;
};

nlohmann::json config_of(const std::string& name) {
  return {{"_class_name", name},         {"num_train_timesteps", 1000},
          {"beta_start", 0.0001},        {"beta_end", 0.02},
          {"beta_schedule", "linear"},   {"trained_betas", nullptr},
          {"prediction_type", "epsilon"}};
}

DescribedScheduler described(const nlohmann::json& config, int64_t steps = 0) {
  return read_diffusers_scheduler(config.dump(), "scheduler_config.json", steps);
}

ModelRange range_of(const PreconditioningOptions& options) {
  const auto preconditioning = make_preconditioning(options);
  return {preconditioning->sigma_min(), preconditioning->sigma_max(), process_options(options)};
}

std::string refusal(const nlohmann::json& config) {
  try {
    described(config);
  } catch (const CheckpointError& error) {
    return error.what();
  }
  return "accepted";
}

struct Case {
  const char* file;
  nlohmann::json config;
  int64_t steps;
  const char* end;      ///< the last state in the file
  bool vp = true;       ///< their x is x / sqrt(1 + sigma^2)
  bool to_data = true;  ///< they end at sigma = 0, and not at the first timestep
};

nlohmann::json with(nlohmann::json config, const nlohmann::json& more) {
  config.update(more);
  return config;
}

}  // namespace

TEST_CASE("an imported scheduler samples along the path that it takes in diffusers",
          "[interop][golden]") {
  const auto multistep = config_of("DPMSolverMultistepScheduler");
  const auto ddim = config_of("DDIMScheduler");
  const std::vector<Case> cases = {
      {"ddim_eta0_leading_20", ddim, 20, "x.20"},
      {"ddim_eta0_trailing_20", with(ddim, {{"timestep_spacing", "trailing"}}), 20, "x.20"},
      {"ddpm_fixed_large_50_noclip",
       with(config_of("DDPMScheduler"), {{"variance_type", "fixed_large"}}), 50, "x.50"},
      {"ddpm_cosine_20", with(config_of("DDPMScheduler"), {{"beta_schedule", "squaredcos_cap_v2"}}),
       20, "x.20"},
      {"pndm_skipprk_20", config_of("PNDMScheduler"), 20, "x.20", true, /*to_data=*/false},
      {"dpm_multi_dpmsolverpp_o1_10", with(multistep, {{"solver_order", 1}}), 10, "x.10"},
      {"dpm_multi_dpmsolverpp_o2_10", multistep, 10, "x.10"},
      {"dpm_multi_sde_dpmsolverpp_o2_20", with(multistep, {{"algorithm_type", "sde-dpmsolver++"}}),
       20, "x.20"},
      {"unipc_o2_10", config_of("UniPCMultistepScheduler"), 10, "x.10"},
      {"unipc_o3_10", with(config_of("UniPCMultistepScheduler"), {{"solver_order", 3}}), 10,
       "x.10"},
      {"euler_15", config_of("EulerDiscreteScheduler"), 15, "x.15", false},
      {"euler_a_15", config_of("EulerAncestralDiscreteScheduler"), 15, "x.15", false},
      {"heun_15", config_of("HeunDiscreteScheduler"), 15, "x.29", false},
      {"kdpm2_15", config_of("KDPM2DiscreteScheduler"), 15, "x.29", false},
      {"lms_15", config_of("LMSDiscreteScheduler"), 15, "x.15", false}};
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.file) {
      const auto golden =
          load_golden(std::string(HALCYON_GOLDEN_DIR) + "/samplers/" + c.file + ".safetensors");
      const auto scheduler = described(c.config, c.steps);
      auto sigmas = make_grid(scheduler.sampler, range_of(scheduler.preconditioning));
      REQUIRE(sigmas.size() == static_cast<size_t>(c.steps) + 1);
      if (!c.to_data) sigmas.pop_back();
      const double scale = c.vp ? std::hypot(1, sigmas[0]) : 1;
      GaussianMixture law(torch::ones({1}), torch::full({1, 16}, 0.3, kDouble),
                          torch::full({16}, 0.25, kDouble));
      ReplayedNoise noise(golden);
      const auto start = scale * golden.at("x.0").to(kDouble).flatten(1);
      const auto y = make_sampler(scheduler.sampler)->sample(law, start, sigmas, noise);
      const double end_scale = c.vp ? std::hypot(1, sigmas.back()) : 1;
      const auto error = (y - end_scale * golden.at(c.end).flatten(1)).abs().max().item<double>();
      REQUIRE(error < 2e-5);
    }
  }
}

TEST_CASE("prediction types and beta schedules of diffusers are ours by other names",
          "[interop][property]") {
  const auto base = config_of("DDPMScheduler");
  REQUIRE(described(base).preconditioning.name == "epsilon");
  REQUIRE(described(with(base, {{"prediction_type", "v_prediction"}})).preconditioning.name == "v");
  REQUIRE(described(with(base, {{"prediction_type", "sample"}})).preconditioning.name == "x0");
  const auto beta = [&](const char* schedule) {
    return described(with(base, {{"beta_schedule", schedule}})).preconditioning.noise.vp.beta;
  };
  REQUIRE(beta("scaled_linear") == BetaSchedule::scaled_linear);
  REQUIRE(beta("squaredcos_cap_v2") == BetaSchedule::cosine);
  REQUIRE(beta("sigmoid") == BetaSchedule::sigmoid);
  // The first versions.
  const auto old = nlohmann::json{{"_class_name", "DDPMScheduler"}, {"predict_epsilon", false}};
  REQUIRE(described(old).preconditioning.name == "x0");
  REQUIRE(described(old).sampler.grid == GridSpacing::leading);
  REQUIRE(described(old).sampler.steps == 1000);
  // What Python writes and JSON does not have.
  const auto infinite = read_diffusers_scheduler(
      R"({"_class_name": "DPMSolverMultistepScheduler", "lambda_min_clipped": -Infinity})", "file",
      0);
  REQUIRE(infinite.sampler.name == "dpmpp_2m");
  REQUIRE(infinite.notes.empty());
}

TEST_CASE("trained_betas are the betas of the process", "[interop][oracle]") {
  const auto config = with(config_of("DDPMScheduler"),
                           {{"num_train_timesteps", 3}, {"trained_betas", {0.1, 0.5, 0.25}}});
  const auto options = described(config).preconditioning;
  const auto alpha_bar = VpSchedule(options.noise.vp).alpha_bar();
  REQUIRE(alpha_bar.size() == 3);
  REQUIRE_THAT(alpha_bar[0], WithinRel(0.9, 1e-14));
  REQUIRE_THAT(alpha_bar[1], WithinRel(0.45, 1e-14));
  REQUIRE_THAT(alpha_bar[2], WithinRel(0.3375, 1e-14));
}

TEST_CASE("a shifted leading grid keeps its offset", "[interop][oracle]") {
  const auto config = with(config_of("DDIMScheduler"), {{"steps_offset", 1}});
  const auto scheduler = described(config, 50);
  const VpSchedule schedule(scheduler.preconditioning.noise.vp);
  const auto sigmas = make_grid(scheduler.sampler, range_of(scheduler.preconditioning));
  REQUIRE_THAT(sigmas.front(),
               WithinRel(schedule.sigma(torch::tensor(981.0, kDouble)).item<double>(), 1e-12));
  REQUIRE_THAT(sigmas[49],
               WithinRel(schedule.sigma(torch::tensor(1.0, kDouble)).item<double>(), 1e-12));
}

TEST_CASE("schedulers that we do not have are refused by key, value and what is wanted",
          "[interop][error]") {
  const auto base = config_of("DDPMScheduler");
  REQUIRE(refusal(base) == "accepted");
  REQUIRE_THAT(refusal(config_of("KarrasVeScheduler")),
               Contains("_class_name is \"KarrasVeScheduler\"") && Contains("DDIMScheduler") &&
                   Contains("ScoreSdeVeScheduler"));
  REQUIRE_THAT(refusal(with(base, {{"prediction_type", "flow"}})),
               Contains("prediction_type is \"flow\"") && Contains("v_prediction"));
  REQUIRE_THAT(refusal(with(base, {{"beta_schedule", "laplace"}})),
               Contains("beta_schedule is \"laplace\"") && Contains("scaled_linear"));
  REQUIRE_THAT(refusal(with(base, {{"trained_betas", {0.1, 0.2}}})),
               Contains("trained_betas") && Contains("1000 numbers"));
  REQUIRE_THAT(refusal(with(base, {{"rescale_betas_zero_snr", true}})),
               Contains("rescale_betas_zero_snr is true: want false"));
  REQUIRE_THAT(refusal(with(base, {{"beta_start", "low"}})),
               Contains("beta_start is \"low\": want a number"));
  REQUIRE_THAT(refusal(with(base, {{"num_train_timesteps", 1}})), Contains("timesteps"));
  const auto clipped = described(with(base, {{"clip_sample", true}}));
  REQUIRE(clipped.notes.size() == 1);
  REQUIRE_THAT(clipped.notes.front(), Contains("clip_sample"));
}

TEST_CASE("a process goes to diffusers and back unchanged", "[interop][roundtrip]") {
  PreconditioningOptions options{.name = "v"};
  options.noise.vp.beta = GENERATE(BetaSchedule::linear, BetaSchedule::scaled_linear,
                                   BetaSchedule::cosine, BetaSchedule::sigmoid);
  options.noise.vp.timesteps = 50;
  options.noise.vp.beta_end = 0.012;
  options.noise.vp.zero_terminal_snr = true;
  const auto text = diffusers_scheduler_config(options).dump();
  const auto back = read_diffusers_scheduler(text, "file", 0);
  REQUIRE(back.preconditioning.name == "v");
  REQUIRE(back.notes.empty());
  REQUIRE(VpSchedule(back.preconditioning.noise.vp).alpha_bar() ==
          VpSchedule(options.noise.vp).alpha_bar());
  const auto refused = [](const char* name, const char* process) {
    PreconditioningOptions other{.name = name, .sigma_data = 0.5};
    other.noise.name = process;
    REQUIRE_THROWS_AS(diffusers_scheduler_config(other), ConfigError);
  };
  refused("edm", "auto");
  refused("epsilon", "vp_sde");
  refused("score", "vp");
  refused("velocity", "flow");
}
