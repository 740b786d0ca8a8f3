#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/gaussian_mixture.h"
#include "core/random.h"
#include "interop/diffusers_scheduler.h"
#include "samplers/registry.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;
using Json = nlohmann::json;

namespace {

const auto kDouble = torch::kFloat64;

Json base() { return {{"_class_name", "ScoreSdeVeScheduler"}, {"sigma_max", 30.0}}; }

DescribedScheduler described(const Json& config, int64_t steps = 0) {
  return read_diffusers_scheduler(config.dump(), "scheduler_config.json", steps);
}

Json with(Json config, const Json& more) {
  config.update(more);
  return config;
}

/// The numbers that both draw, one after the other.
class SharedNoise final : public NoiseSource {
 public:
  SharedNoise() : NoiseSource(0, 0, 1), rng_(make_generator(9, "noise")) {}
  torch::Tensor normal_like(const torch::Tensor& x) override {
    return torch::randn(x.sizes(), rng_, kDouble);
  }
  torch::Tensor normal_between(const torch::Tensor& x, double, double) override {
    return normal_like(x);
  }

 private:
  at::Generator rng_;
};

}  // namespace

TEST_CASE("ScoreSdeVeScheduler is predictor and corrector on a ve twice as wide",
          "[interop][oracle]") {
  // Its pipeline on images in [0, 1] with the score of N(0.6, 0.2^2 I), written from its
  // definition.
  const double mean = 0.6, variance = 0.04, sigma_min = 0.01, sigma_max = 30, snr = 0.17;
  const int64_t steps = 12, corrections = 2;
  const auto level = [&](int64_t k) {
    return sigma_min *
           std::pow(sigma_max / sigma_min, static_cast<double>(k) / static_cast<double>(steps - 1));
  };
  const auto score = [&](const torch::Tensor& u, double sigma) {
    return (mean - u) / (variance + sigma * sigma);
  };
  const auto start = torch::randn({1, 20}, make_generator(3, "start"), kDouble);
  SharedNoise theirs;
  auto u = mean + sigma_max * start;
  torch::Tensor end;
  for (int64_t k = steps - 1; k >= 0; --k) {
    for (int64_t c = 0; c < corrections; ++c) {
      const auto g = score(u, level(k));
      const auto z = theirs.normal_like(u);
      const double step = 2 * std::pow(snr * (z.norm() / g.norm()).item<double>(), 2);
      u = u + step * g + std::sqrt(2 * step) * z;
    }
    const double below = k == 0 ? 0 : level(k - 1);
    const double diffusion = level(k) * level(k) - below * below;
    end = u + diffusion * score(u, level(k));
    if (k > 0) u = end + std::sqrt(diffusion) * theirs.normal_like(u);
  }

  const auto scheduler =
      described(with(base(), {{"snr", snr}, {"correct_steps", corrections}}), steps);
  REQUIRE(scheduler.preconditioning.name == "score");
  const auto preconditioning = make_preconditioning(scheduler.preconditioning);
  const auto sigmas =
      make_grid(scheduler.sampler, {preconditioning->sigma_min(), preconditioning->sigma_max(),
                                    process_options(scheduler.preconditioning)});
  REQUIRE(sigmas.size() == 13);
  REQUIRE_THAT(sigmas[0], WithinRel(60, 1e-12));
  REQUIRE_THAT(sigmas[11], WithinRel(0.02, 1e-12));
  GaussianMixture law(torch::ones({1}), torch::full({1, 20}, 2 * mean - 1, kDouble),
                      torch::full({20}, 4 * variance, kDouble));
  SharedNoise ours;
  const auto x = make_sampler(scheduler.sampler)
                     ->sample(law, 2 * (mean + sigma_max * start) - 1, sigmas, ours);
  REQUIRE((x - (2 * end - 1)).abs().max().item<double>() < 1e-10);
}

TEST_CASE("a ScoreSdeVeScheduler has the defaults of diffusers and its bounds",
          "[interop][error]") {
  const auto usual = described({{"_class_name", "ScoreSdeVeScheduler"}});
  REQUIRE(usual.preconditioning.noise.name == "ve");
  REQUIRE(usual.preconditioning.noise.sigma_min == 0.02);
  REQUIRE(usual.preconditioning.noise.sigma_max == 2696);
  REQUIRE(usual.sampler.name == "pc");
  REQUIRE(usual.sampler.steps == 2000);
  REQUIRE(usual.sampler.pc.snr == 0.15);
  REQUIRE(usual.sampler.pc.corrector_steps == 1);
  REQUIRE(usual.notes.size() == 1);
  REQUIRE_THAT(usual.notes.front(), Contains("correct_steps"));
  const auto late = described(with(base(), {{"sampling_eps", 0.01}, {"correct_steps", 0}}));
  REQUIRE(late.notes.size() == 1);
  REQUIRE_THAT(late.notes.front(), Contains("sampling_eps = 0.01") && Contains("8.3 %"));
  const auto refuses = [](const Json& change, const char* said) {
    REQUIRE_THROWS_WITH(described(with(base(), change)), Contains(said));
  };
  refuses({{"sigma_min", 0}}, "sigma_min is 0: want a number > 0");
  refuses({{"sigma_max", 0.01}}, "sigma_max is 0.01: want a number > sigma_min");
  refuses({{"snr", -1}}, "snr is -1");
  refuses({{"correct_steps", 0.5}}, "correct_steps is 0.5: want a whole number");
  refuses({{"sampling_eps", 1}}, "sampling_eps is 1");
}

TEST_CASE("the process ve goes to diffusers and back unchanged", "[interop][roundtrip]") {
  PreconditioningOptions options{.name = "score"};
  options.noise.sigma_max = GENERATE(0.0, 61.3);
  const auto back = read_diffusers_scheduler(diffusers_scheduler_config(options).dump(), "file", 0);
  const auto before = make_preconditioning(options);
  const auto after = make_preconditioning(back.preconditioning);
  REQUIRE(after->sigma_min() == before->sigma_min());
  REQUIRE(after->sigma_max() == before->sigma_max());
  REQUIRE(back.preconditioning.name == "score");
  REQUIRE(process_options(back.preconditioning).name == "ve");
}

TEST_CASE("clipping and dynamic thresholding of a scheduler become clamping", "[interop][oracle]") {
  const auto clamp = [](const char* name, const Json& more) {
    return described(with({{"_class_name", name}}, more)).clamp;
  };
  // By default DDPM and DDIM clip, and no other.
  REQUIRE(clamp("DDPMScheduler", Json::object()).limit == 1);
  REQUIRE(clamp("DDIMScheduler", {{"clip_sample_range", 2.5}}).limit == 2.5);
  REQUIRE_FALSE(clamp("DDPMScheduler", {{"clip_sample", false}}).used());
  REQUIRE_FALSE(clamp("HeunDiscreteScheduler", Json::object()).used());
  REQUIRE(clamp("HeunDiscreteScheduler", {{"clip_sample", true}}).limit == 1);
  // Left over from another scheduler, it does nothing.
  REQUIRE_FALSE(clamp("EulerDiscreteScheduler", {{"clip_sample", true}}).used());
  const auto threshold = clamp(
      "DDPMScheduler",
      {{"thresholding", true}, {"sample_max_value", 3.0}, {"dynamic_thresholding_ratio", 0.9}});
  REQUIRE(threshold.limit == 1);
  REQUIRE(threshold.quantile == 0.9);
  // Shrinking by no more than 1 is clipping.
  const auto bounded = clamp("DPMSolverMultistepScheduler", {{"thresholding", true}});
  REQUIRE(bounded.limit == 1);
  REQUIRE(bounded.quantile == 0);
  const auto refuses = [&](const Json& more, const char* said) {
    REQUIRE_THROWS_WITH(clamp("DDIMScheduler", more), Contains(said));
  };
  refuses({{"clip_sample_range", 0}}, "clip_sample_range is 0: want a number > 0");
  refuses({{"thresholding", true}, {"dynamic_thresholding_ratio", 1.5}},
          "dynamic_thresholding_ratio is 1.5");
  const auto noted = described({{"_class_name", "DDIMScheduler"}}).notes;
  REQUIRE(noted.size() == 1);
  REQUIRE_THAT(noted.front(), Contains("clamp.limit 1") && Contains("direction"));
}
