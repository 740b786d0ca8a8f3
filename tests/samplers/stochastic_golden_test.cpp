#include <algorithm>

#include "core/clamped_denoiser.h"
#include "core/gaussian_mixture.h"
#include "core/noise_grid.h"
#include "samplers/ancestral.h"
#include "samplers/dpm_solver_sde.h"
#include "samplers/probability_flow.h"
#include "samplers/reverse_sde.h"
#include "tests/support/catch.h"
#include "tests/support/golden.h"

// Other programs' stochastic samplers, with the noise they drew, on the exact denoiser of
// N(0.3, 0.5^2 I): tests/golden/README.md.

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const auto kDouble = torch::kFloat64;

/// The draws of another program, one after the other.
class ReplayedNoise final : public NoiseSource {
 public:
  explicit ReplayedNoise(const TensorMap& draws, int first = 0)
      : NoiseSource(0, 0, 2), draws_(draws), next_(first) {}
  torch::Tensor normal_like(const torch::Tensor& x) override {
    return draws_.at("noise." + std::to_string(next_++)).to(kDouble).reshape(x.sizes());
  }
  torch::Tensor normal_between(const torch::Tensor& x, double, double) override {
    return normal_like(x);
  }

 private:
  const TensorMap& draws_;
  int next_;
};

/// Asks a law for its score at one level, whatever the level of the step: score_sde takes the score
/// at its times, which end at 1e-5, and steps between levels of times that end at 0.
class ScoreOfLevel final : public Denoiser {
 public:
  ScoreOfLevel(GaussianMixture& law, double level) : law_(law), level_(level) {}
  torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor& sigma) override {
    return x + per_sample(sigma.square(), x) * score(law_, x, torch::full_like(sigma, level_));
  }

 private:
  GaussianMixture& law_;
  double level_;
};

struct Case {
  std::string file;
  std::shared_ptr<Sampler> sampler;
  bool vp;  ///< their x is x / sqrt(1 + sigma^2)
  double tolerance;
  VpScheduleOptions process = {};
  size_t steps = 1000;  ///< up to which they agree
  bool clamped = false;
};

std::vector<double> levels(const TensorMap& golden, const VpSchedule& process) {
  const auto found = golden.find("sigmas");
  auto sigmas = found != golden.end() ? found->second : process.sigma(golden.at("timesteps"));
  std::vector<double> list;
  for (int64_t i = 0; i < sigmas.numel(); ++i) list.push_back(sigmas[i].item<double>());
  if (sigmas[-1].item<double>() != 0) list.push_back(0);
  return list;
}

}  // namespace

TEST_CASE("stochastic samplers follow those of other programs, given their noise",
          "[sampler][golden]") {
  const auto euler = std::make_shared<AncestralSampler>(AncestralStep::euler, 1);
  const auto posterior = std::make_shared<DdpmSampler>(ReverseVariance::posterior);
  const auto upper = std::make_shared<DdpmSampler>(ReverseVariance::upper);
  const auto two_past = std::make_shared<DpmSolverSdeSampler>(2, 1);
  const auto three_past = std::make_shared<DpmSolverSdeSampler>(3, 1);
  const auto two_s = std::make_shared<AncestralSampler>(AncestralStep::dpmpp_2s, 1);
  const std::vector<Case> cases = {
      {"euler_a_15", euler, false, 1e-5},
      {"ddim_eta1_leading_20", euler, true, 1e-5},
      {"ddpm_cosine_20", posterior, true, 1e-5, {.beta = BetaSchedule::cosine}},
      {"ddpm_fixed_large_50_noclip", upper, true, 1e-5},
      {.file = "ddpm_fixed_small_50_clip",
       .sampler = posterior,
       .vp = true,
       .tolerance = 1e-5,
       .clamped = true},
      {"dpm_multi_sde_dpmsolverpp_o2_20", two_past, true, 1e-5},
      {"kdiff_dpmpp_2s_ancestral", two_s, false, 1e-10},
      // From the third step on theirs has half of the curvature's term: dpm_solver_sde.cpp.
      {"kdiff_dpmpp_3m_sde", three_past, false, 1e-10, {}, 2},
  };
  GaussianMixture law(torch::ones({1}), torch::full({1, 16}, 0.3, kDouble),
                      torch::full({16}, 0.25, kDouble));
  ClampedDenoiser clamped(law, {.limit = 1});
  for (const auto& c : cases) {
    auto& denoiser = c.clamped ? static_cast<Denoiser&>(clamped) : law;
    DYNAMIC_SECTION(c.file) {
      const auto golden =
          load_golden(std::string(HALCYON_GOLDEN_DIR) + "/samplers/" + c.file + ".safetensors");
      const auto sigmas = levels(golden, VpSchedule(c.process));
      const auto state = [&](size_t i) {
        const auto found = golden.find("x." + std::to_string(i));
        const auto& x = found != golden.end() ? found->second : golden.at("y");
        const double scale = c.vp ? std::sqrt(1 + sigmas[i] * sigmas[i]) : 1;
        return scale * x.to(kDouble).flatten(1);
      };
      for (size_t last = 1; last < sigmas.size() && last <= c.steps; ++last) {
        CAPTURE(last);
        ReplayedNoise noise(golden);
        const std::vector<double> grid(sigmas.begin(),
                                       sigmas.begin() + static_cast<int64_t>(last) + 1);
        const auto y = c.sampler->sample(denoiser, state(0), grid, noise);
        const double scale = std::max(1.0, sigmas[last]);
        CHECK((y - state(last)).abs().max().item<double>() < c.tolerance * scale);
      }
    }
  }
}

TEST_CASE("Heun with churn ends where EDM's sampler does, given its noise", "[sampler][golden]") {
  const auto golden =
      load_golden(std::string(HALCYON_GOLDEN_DIR) + "/samplers/edm_sampler_churn.safetensors");
  GaussianMixture denoiser(torch::ones({1}), torch::full({1, 16}, 0.3, kDouble),
                           torch::full({16}, 0.25, kDouble));
  const auto sigmas = karras_grid(0.002, 80, 40, 7);
  // Theirs draws at each step, ours from the first that is churned.
  const auto churned = std::find_if(sigmas.begin(), sigmas.end(), [](double s) { return s <= 50; });
  ReplayedNoise noise(golden, static_cast<int>(churned - sigmas.begin()));
  const auto x = golden.at("x0").to(kDouble).flatten(1);
  const auto y = HeunSampler(ChurnOptions()).sample(denoiser, 80 * x, sigmas, noise);
  CHECK((y - golden.at("y").to(kDouble).flatten(1)).abs().max().item<double>() < 1e-10);
}

TEST_CASE("predictor and corrector take score_sde's steps, but for the norms of the corrector",
          "[sampler][golden]") {
  // Its step size has the means of norms over the batch, ours the norms of each sample; so each
  // sample is given the signal-to-noise ratio that makes ours theirs.
  const auto golden =
      load_golden(std::string(HALCYON_GOLDEN_DIR) + "/samplers/score_sde_ve_pc_50.safetensors");
  GaussianMixture law(torch::ones({1}), torch::full({1, 16}, 0.3, kDouble),
                      torch::full({16}, 0.25, kDouble));
  const auto at = [&](const std::string& name) {
    return golden.at(name).to(kDouble).flatten(1).contiguous();
  };
  const auto sigmas = geometric_grid(0.01, 50, 50);
  for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
    CAPTURE(i);
    ScoreOfLevel denoiser(law, golden.at("sigmas")[static_cast<int64_t>(i)].item<double>());
    const auto x = at("x." + std::to_string(i));
    const auto langevin = at("noise." + std::to_string(2 * i));
    const auto last = at("noise." + std::to_string(2 * i + 1));
    const auto noise_norm = langevin.norm(2, 1);
    const auto score_norm = score(denoiser, x, torch::full({2}, sigmas[i], kDouble)).norm(2, 1);
    const auto theirs = 0.16 * noise_norm.mean() / score_norm.mean();
    // The file has the end without its noise.
    const auto next = at(sigmas[i + 1] > 0 ? "x." + std::to_string(i + 1) : "xmean.50");
    for (int64_t k = 0; k < 2; ++k) {
      CAPTURE(k);
      const PredictorCorrectorSampler sampler(
          {.snr = (theirs * score_norm[k] / noise_norm[k]).item<double>()});
      const TensorMap draws = {{"noise.0", langevin.narrow(0, k, 1)},
                               {"noise.1", last.narrow(0, k, 1)}};
      ReplayedNoise noise(draws);
      const auto y = sampler.sample(denoiser, x.narrow(0, k, 1), {sigmas[i], sigmas[i + 1]}, noise);
      const auto error = (y - next.narrow(0, k, 1)).abs().max().item<double>();
      CHECK(error < 1e-5 * std::max(1.0, sigmas[i + 1]));
    }
  }
}
