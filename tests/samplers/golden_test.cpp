#include "tests/support/golden.h"

#include <algorithm>
#include <functional>
#include <numbers>

#include "core/gaussian_mixture.h"
#include "core/noise_grid.h"
#include "samplers/dpm_solver.h"
#include "samplers/registry.h"
#include "tests/support/catch.h"

// Other programs' samplers on the exact denoiser of N(0.3, 0.5^2 I): tests/golden/README.md.

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const auto kDouble = torch::kFloat64;

GaussianMixture golden_law() {
  return {torch::ones({1}), torch::full({1, 16}, 0.3, kDouble), torch::full({16}, 0.25, kDouble)};
}

TensorMap golden(const std::string& name) {
  return load_golden(std::string(HALCYON_GOLDEN_DIR) + "/samplers/" + name + ".safetensors");
}

/// Evaluation k of a sampler, wherever that is.
using Evaluate = std::function<torch::Tensor(size_t k, const torch::Tensor& x, double sigma)>;

/// Keeps what it is asked.
class Recorder final : public Denoiser {
 public:
  explicit Recorder(Evaluate evaluate) : evaluate_(std::move(evaluate)) {}

  torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor& sigma) override {
    asked.push_back(x);
    sigmas.push_back(sigma[0].item<double>());
    return evaluate_(asked.size() - 1, x, sigmas.back());
  }

  std::vector<torch::Tensor> asked;
  std::vector<double> sigmas;

 private:
  Evaluate evaluate_;
};

Evaluate exact_denoiser() {
  return [law = golden_law()](size_t, const torch::Tensor& x, double sigma) mutable {
    return denoise_at(law, x, sigma);
  };
}

/// What a program feeds its network with: scale(sigma) x.
using Scale = double (*)(double sigma);

double vp_scale(double sigma) { return 1 / std::hypot(1, sigma); }
double edm_scale(double sigma) { return 1 / std::hypot(0.5, sigma); }
double flow_scale(double sigma) { return 1 / (1 + sigma); }

std::vector<double> levels(const TensorMap& file, const char* key) {
  const auto values = file.at(key).contiguous();
  return {values.data_ptr<double>(), values.data_ptr<double>() + values.numel()};
}

/// The levels in a file without the doubles of its two-stage methods.
std::vector<double> sigmas_of(const TensorMap& file) {
  auto sigmas = levels(file, "sigmas");
  sigmas.erase(std::unique(sigmas.begin(), sigmas.end()), sigmas.end());
  return sigmas;
}

/// sigma of the whole times t of the DDPM process, whose sqrt(alpha_bar_t) may be rescaled to end
/// at 0.
std::vector<double> vp_sigmas(const TensorMap& file, bool zero_terminal_snr = false) {
  const VpSchedule schedule({});
  const auto& alpha_bar = schedule.alpha_bar();
  const double first = std::sqrt(alpha_bar.front());
  const double last = zero_terminal_snr ? std::sqrt(alpha_bar.back()) : 0;
  std::vector<double> sigmas;
  for (const double t : levels(file, "timesteps")) {
    const double root = std::sqrt(alpha_bar[static_cast<size_t>(t)]);
    const double alpha = (root - last) * first / (first - last);
    sigmas.push_back(std::sqrt(1 / (alpha * alpha) - 1));
  }
  return sigmas;
}

std::string numbered(const char* stem, size_t k) { return stem + std::to_string(k); }

double distance(const torch::Tensor& a, const torch::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

struct Run {
  std::string file;
  std::string sampler;
  std::vector<double> sigmas;
  std::string end;  ///< name of the last state
  size_t evaluations;
  size_t first = 0;  ///< evaluation of the file that sigmas[0] is
  Scale scale = vp_scale;
  Evaluate evaluate = exact_denoiser();
};

/// Our sampler asks the network what the program asked, and ends where it ended, to 1e-5: the files
/// are float32.
void holds(const Run& run) {
  INFO(run.file);
  const auto file = golden(run.file);
  const auto start = file.at(numbered("in.", run.first)).to(kDouble) / run.scale(run.sigmas[0]);
  Recorder recorder(run.evaluate);
  SamplerOptions options;
  options.name = run.sampler;
  NoiseSource noise(1, 0, 2);
  const auto y = make_sampler(options)->sample(recorder, start, run.sigmas, noise);
  REQUIRE(recorder.asked.size() == run.evaluations);
  for (size_t k = 0; k < run.evaluations; ++k) {
    INFO("evaluation " << k);
    const auto input = run.scale(recorder.sigmas[k]) * recorder.asked[k];
    REQUIRE(distance(input, file.at(numbered("in.", run.first + k))) < 1e-5);
  }
  const double scale = run.sigmas.back() == 0 ? 1 : run.scale(run.sigmas.back());
  REQUIRE(distance(scale * y, file.at(run.end)) < 1e-5);
}

}  // namespace

TEST_CASE("solvers take the path of diffusers' schedulers on the same levels",
          "[sampler][golden]") {
  const auto agrees = [](const char* file, const char* sampler, size_t nfe, const char* end) {
    holds({.file = file,
           .sampler = sampler,
           .sigmas = sigmas_of(golden(file)),
           .end = end,
           .evaluations = nfe});
  };
  agrees("euler_15", "euler", 15, "x.15");
  agrees("heun_15", "heun", 29, "x.29");
  agrees("kdpm2_15", "midpoint", 29, "x.29");
  agrees("lms_15", "lms", 15, "x.15");
  agrees("dpm_multi_dpmsolverpp_o1_10", "ddim", 10, "x.10");
  agrees("dpm_multi_dpmsolverpp_o2_10", "dpmpp_2m", 10, "x.10");
  agrees("unipc_o2_10", "unipc_2", 10, "x.10");
  agrees("unipc_o3_10", "unipc_3", 10, "x.10");
  const auto edm = sigmas_of(golden("edm_euler_18"));
  holds({"edm_euler_18", "euler", edm, "x.18", 18, 0, edm_scale});
}

TEST_CASE("solvers take the path of schedulers whose levels are times", "[sampler][golden]") {
  for (const std::string spacing : {"leading", "trailing"}) {
    const auto file = "ddim_eta0_" + spacing + "_20";
    auto sigmas = vp_sigmas(golden(file));
    sigmas.push_back(0);
    holds({file, "ddim", sigmas, "x.20", 20});
  }
  // The last of its 21 steps goes nowhere: from t = 0 to alpha_bar_0.
  auto sigmas = vp_sigmas(golden("pndm_skipprk_20"));
  sigmas.erase(std::unique(sigmas.begin(), sigmas.end()), sigmas.end());
  holds({"pndm_skipprk_20", "plms", sigmas, "x.20", 20});
}

TEST_CASE("DDIM from zero terminal SNR and Euler of rectified flow are Euler in sigma",
          "[sampler][golden]") {
  // Their first step starts at sigma = infinity, so that ours start at their second.
  auto sigmas = vp_sigmas(golden("ddim_vpred_zsnr_trailing_20"), /*zero_terminal_snr=*/true);
  sigmas.erase(sigmas.begin());
  sigmas.push_back(0);
  holds({"ddim_vpred_zsnr_trailing_20", "ddim", sigmas, "x.20", 19, 1});

  auto times = levels(golden("flowmatch_euler_20"), "sigmas");
  times.erase(times.begin());
  for (double& t : times) t = t / (1 - t);
  holds({"flowmatch_euler_20", "euler", times, "x.20", 19, 1, flow_scale});
}

TEST_CASE("DEIS takes the path of diffusers' logrho solver", "[sampler][golden]") {
  // Less its last step, that it takes at first order as all of fewer than 15 steps, though it ends
  // above 0: ours only at 0.
  auto sigmas = sigmas_of(golden("deis_o2_10"));
  sigmas.pop_back();
  holds({"deis_o2_10", "deis_2", sigmas, "x.9", 9});
}

TEST_CASE("DPM-Solver++ takes the path of a scheduler that rounds the times of its levels",
          "[sampler][golden]") {
  // Its network is asked at the nearest whole t, another level than that of the step.
  const auto file = golden("dpm_multi_dpmsolverpp_o2_karras_10");
  const auto rounded = vp_sigmas(file);
  auto law = golden_law();
  holds({.file = "dpm_multi_dpmsolverpp_o2_karras_10",
         .sampler = "dpmpp_2m",
         .sigmas = sigmas_of(file),
         .end = "x.10",
         .evaluations = 10,
         .evaluate = [&](size_t k, const torch::Tensor& x, double sigma) {
           const auto input = vp_scale(sigma) / vp_scale(rounded[k]) * x;
           return x - sigma / rounded[k] * (input - denoise_at(law, input, rounded[k]));
         }});
}

TEST_CASE("iPNDM takes the path of a scheduler through the estimates made there",
          "[sampler][golden]") {
  // It takes its network to predict v, and was given one of the noise: no denoiser of anything.  It
  // starts at sigma = infinity with D = 0; 1e8 is as good.
  const auto file = golden("ipndm_20");
  std::vector<double> sigmas;
  for (const double t : levels(file, "timesteps")) {
    sigmas.push_back(std::tan(t * std::numbers::pi / 2));
  }
  sigmas[0] = 1e8;
  sigmas.push_back(0);
  holds({.file = "ipndm_20",
         .sampler = "ipndm",
         .sigmas = sigmas,
         .end = "x.20",
         .evaluations = 20,
         .evaluate = [&](size_t k, const torch::Tensor& x, double sigma) -> torch::Tensor {
           if (k == 0) return torch::zeros_like(x);
           const auto noise = sigma * file.at(numbered("in.", k)).to(kDouble) +
                              file.at(numbered("out.", k)).to(kDouble);
           return x - sigma * vp_scale(sigma) * noise;
         }});
}

TEST_CASE("2S steps take the path of diffusers' single-step solver", "[sampler][golden]") {
  // A step of it ends at every second level and takes the one between for its middle; the last two
  // of an even number are of first order.
  const auto file = golden("dpm_single_dpmsolverpp_o2_12");
  const auto sigmas = sigmas_of(file);
  auto law = golden_law();
  auto x = file.at("x.0").to(kDouble) / vp_scale(sigmas[0]);
  for (size_t i = 0; i < 10; i += 2) {
    x = dpmpp_2s_step(law, x, sigmas[i], sigmas[i + 1], sigmas[i + 2]);
    REQUIRE(distance(vp_scale(sigmas[i + 2]) * x, file.at(numbered("x.", i + 2))) < 1e-5);
  }
  for (size_t i = 10; i < 12; ++i) {
    x = dpmpp_multistep(x, {denoise_at(law, x, sigmas[i])}, sigmas, i, /*order=*/1);
  }
  REQUIRE(distance(x, file.at("x.12")) < 1e-5);
}

TEST_CASE("solvers take the path of k-diffusion's to 1e-10", "[sampler][golden]") {
  const auto [name, sampler, nfe] =
      GENERATE(table<std::string, std::string, size_t>({{"kdiff_euler", "euler", 1},
                                                        {"kdiff_heun", "heun", 2},
                                                        {"kdiff_lms", "lms", 1},
                                                        {"kdiff_dpmpp_2m", "dpmpp_2m", 1}}));
  INFO(name);
  const auto file = golden(name);
  Recorder recorder(exact_denoiser());
  SamplerOptions options;
  options.name = sampler;
  NoiseSource noise(1, 0, 2);
  const auto y = make_sampler(options)->sample(recorder, file.at("x.0"), sigmas_of(file), noise);
  for (size_t k = 0; k < 12; ++k) {
    INFO("step " << k);
    REQUIRE(distance(recorder.asked.at(nfe * k), file.at(numbered("x.", k))) < 1e-10);
  }
  REQUIRE(distance(y, file.at("y")) < 1e-10);
}

TEST_CASE("heun on the Karras grid ends where EDM's sampler does, to 1e-10", "[sampler][golden]") {
  const auto file = golden("edm_sampler_det18");
  SamplerOptions options;
  options.name = "heun";
  options.steps = 18;
  auto law = golden_law();
  NoiseSource noise(1, 0, 2);
  const auto y = make_sampler(options)->sample(law, 80 * file.at("x0"),
                                               make_grid(options, ModelRange()), noise);
  REQUIRE(distance(y, file.at("y")) < 1e-10);
}
