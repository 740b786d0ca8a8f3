#include <nlohmann/json.hpp>

#include "cli/estimate_text.h"
#include "cli/fisher_alarms.h"
#include "core/random.h"
#include "data/toy_distribution.h"
#include "fisher/fisher_level.h"
#include "io/csv_reader.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;
namespace fs = std::filesystem;

namespace {

std::string fisher(const std::string& arguments, int code = 0) {
  const auto outcome = run_program("fisher --run.threads 1 " + arguments);
  INFO("halcyon fisher " << arguments << "\n" << outcome.output);
  REQUIRE(outcome.code == code);
  return outcome.output;
}

/// One level of a score that is as it should be: N(0, I) at sigma = 1, in 100 dimensions.
FisherEstimates sound_level() {
  FisherEstimates level;
  level.sigma = 1;
  level.dim = 100;
  level.eps_mse = {0.5, 0.001, 1000};
  level.fisher_info_exp = {50, 0.1, 1000};
  level.score_calibration = {1, 0.01, 1000};
  return level;
}

GaussianMixture unit_gaussian() {
  return {torch::ones({1}), torch::zeros({1, 100}), torch::ones({100})};
}

std::string only_alarm(const std::vector<FisherEstimates>& levels) {
  const auto alarms = fisher_alarms(levels, {unit_gaussian(), std::nullopt});
  REQUIRE(alarms.size() == 1);
  return alarms.front();
}

}  // namespace

TEST_CASE("an estimate shows as many digits as its standard error leaves", "[cli]") {
  REQUIRE(with_error({0.85432, 0.0003, 9}) == "0.8543(3)");
  REQUIRE(with_error({20623, 61, 9}) == "20620(60)");
  REQUIRE(with_error({255123, 3100, 9}) == "2.55(3)e+05");
  REQUIRE(with_error({-7.03e-5, 2e-6, 9}) == "-7.0(2)e-05");
  REQUIRE(with_error({1.002, 0.00096, 9}) == "1.002(1)");
  REQUIRE(with_error({9.7e-4, 1e-4, 9}) == "0.0010(1)");
  REQUIRE(with_error({99970, 61, 9}) == "99970(60)");
  REQUIRE(with_error({0.2, 3, 9}) == "0(3)");
  REQUIRE(with_error({1.5, 0, 9}) == "1.5");
  REQUIRE(with_error({}) == "-");
}

TEST_CASE("error bars that rest on few images are told of", "[cli][statistical]") {
  const auto alarms_at = [](const char* toy, double sigma, int64_t count) {
    auto law = find_toy(toy).make();
    auto rng = make_generator(3, "test");
    FisherLevel level(sigma, law.dim(), /*probes=*/1);
    const auto x0 = law.sample(count, rng);
    level.add(law, x0, torch::randn(x0.sizes(), rng, x0.options()), rng);
    return fisher_alarms({level.estimates()}, {});
  };
  // Of 1024 images one or two lie where it is not plain which bump they belong to.
  const auto few = alarms_at("toy:mixture", 0.5, 1024);
  REQUIRE(few.size() == 1);
  REQUIRE_THAT(few.front(), Contains("sigma 0.5: error bars of J_obs rest on ") &&
                                Contains(" of 1024 images") && Contains("--images"));
  REQUIRE(alarms_at("toy:mixture", 2, 4000).empty());
  for (const double sigma : {0.02, 0.5, 5.0}) {
    REQUIRE(alarms_at("toy:gaussian", sigma, 1024).empty());
    REQUIRE(alarms_at("toy:lowrank", sigma, 1024).empty());
    REQUIRE(alarms_at("toy:stationary", sigma, 64).empty());
  }
}

TEST_CASE("alarms say in words what is wrong with a score", "[cli]") {
  REQUIRE(fisher_alarms({sound_level()}, {unit_gaussian(), std::nullopt}).empty());

  auto small = sound_level();
  small.sigma = 0.02;
  small.eps_mse.value = 0.9;
  small.score_calibration = {1.25, 0.01, 1000};  // wants to be multiplied by 1.25: is 20 % short
  REQUIRE(only_alarm({small}) == "sigma 0.02: score 20 % too small (c* = 1.25 +- 0.01)");
  small.score_calibration.value = 0.8;
  REQUIRE(only_alarm({small}) == "sigma 0.02: score 25 % too large (c* = 0.80 +- 0.01)");
  small.score_calibration = {1.11, 0.01, 1000};  // within two standard errors of 10 %
  REQUIRE(fisher_alarms({small}, {unit_gaussian(), std::nullopt}).empty());

  auto linear = sound_level();
  linear.eps_mse.value = 0.51;  // the Wiener filter leaves 1 / 2
  REQUIRE_THAT(only_alarm({linear}), Contains("sigma 1: loss 0.51") && Contains("Wiener"));

  auto noise = sound_level();
  noise.fisher_info_exp.value = 101;
  REQUIRE_THAT(only_alarm({noise}), Contains("1.010") && Contains("more than any score"));

  auto biased = sound_level();
  biased.mean_score_z = 30;
  REQUIRE_THAT(only_alarm({sound_level(), biased}),
               Contains("mean score z = 30") && Contains("1 of 2 levels"));

  auto later = sound_level();  // v = sigma^2 eps / (1 - eps): 1, and then 0.67
  later.sigma = 2;
  later.eps_mse.value = 1 / 7.0;
  later.fisher_info_exp.value = 20;
  REQUIRE_THAT(only_alarm({sound_level(), later}), Contains("effective variance falls to 0.667"));
}

TEST_CASE("every part measures a toy, with its exact values", "[cli][oracle][statistical]") {
  const TemporaryDirectory dir;
  const auto out = dir / "out";
  const auto text = fisher(
      "--denoiser exact --data.path toy:gaussian --levels 12 --images 2000 --detail_levels 2 "
      "--detail_images 32 --panel_images 2 --sigma_min 0.1 --sigma_max 10 --against toy:gaussian "
      "--data.limit 3000 --batch 500 --out " +
      out);
  for (const char* name :
       {"fisher_levels.csv", "fisher_floors.csv", "fisher_integrals.csv", "fisher_divergence.csv",
        "fisher_spectrum.jsonl", "fisher_jacobian.csv", "intrinsic_dimension.csv",
        "fisher_summary.json", "maps/attention.png", "maps/sigma_0.1000.safetensors",
        "eigen_images.png", "reliability.png", "fisher_fraction.png", "denoising.png"}) {
    INFO(name);
    REQUIRE(fs::exists(out + "/" + name));
  }
  for (size_t begin = 0, end = 0; end != std::string::npos; begin = end + 1) {
    end = text.find('\n', begin);
    const auto line = text.substr(begin, end - begin);
    INFO(line);
    REQUIRE(line.size() <= 100);
  }
  const auto summary = nlohmann::json::parse(slurp(out + "/fisher_summary.json"));
  REQUIRE(summary.at("alarms").empty());
  REQUIRE(summary.at("divergence").at("nats").at("value") == 0);
  REQUIRE(summary.at("levels").size() == 12);
  // The floor of what 3000 images allow lies under the exact error, and the entropy is the law's.
  const auto levels = halcyon::read_csv(out + "/fisher_levels.csv");
  const auto floor = column_numbers(levels, "empirical_floor");
  const auto exact = column_numbers(levels, "eps_mse_exact");
  for (size_t k = 0; k < 12; ++k) REQUIRE(floor[k] < exact[k] * 1.1);
  const auto integrals = halcyon::read_csv(out + "/fisher_integrals.csv");
  const double entropy = find_toy("toy:gaussian").make().entropy(0.1);
  for (const std::string name : {"entropy_fisher_nats", "nll_it_nats"}) {
    const double error = column_numbers(integrals, name + "_se")[0];
    INFO(name << " " << column_numbers(integrals, name)[0] << " against " << entropy);
    // Twelve levels leave the trapezoidal rule some 0.01 nats.
    REQUIRE(std::abs(column_numbers(integrals, name)[0] - entropy) < 5 * error + 0.015);
  }
}

TEST_CASE("a study that was stopped goes on from its level to the same table", "[cli][roundtrip]") {
  const TemporaryDirectory dir;
  const auto study = [&](const std::string& out) {
    return "--checkpoint toy:mixture --only curve --levels 12 --images 4000 --out " + (dir / out);
  };
  fisher(study("whole"));
  const auto stopped =
      run_program("fisher --run.threads 1 " + study("parts"), "timeout --signal=TERM 1.5");
  INFO(stopped.output);
  REQUIRE((stopped.code == 124 || stopped.code == 143 || stopped.code == 0));
  fisher(study("parts"));
  REQUIRE(slurp(dir / "whole/fisher_levels.csv") == slurp(dir / "parts/fisher_levels.csv"));
  // Other settings in the same folder take nothing of the old levels.
  fisher(study("parts") + " --seed 1");
  REQUIRE(slurp(dir / "whole/fisher_levels.csv") != slurp(dir / "parts/fisher_levels.csv"));
}

TEST_CASE("the exact denoiser of the training images memorises, and the alarm says so", "[cli]") {
  const TemporaryDirectory dir;
  const auto text = fisher(
      "--denoiser empirical --data.path toy:mixture --data.limit 200 --levels 3 --images 200 "
      "--sigma_min 0.3 --sigma_max 1 --only floors,curve --out " +
      dir / "out");
  REQUIRE_THAT(text, Contains("memorises its training images"));
  const auto floors = halcyon::read_csv(dir / "out/fisher_floors.csv");
  for (const double gap : column_numbers(floors, "memorisation_gap")) REQUIRE(gap < 1e-9);
}

TEST_CASE("a part by itself keeps what the curve found", "[cli]") {
  const TemporaryDirectory dir;
  const std::string study =
      "--checkpoint toy:gaussian --levels 3 --images 100 --out " + (dir / "o");
  fisher(study + " --only curve");
  fisher(study + " --only dimension --detail_levels 2 --detail_images 8");
  const auto summary = nlohmann::json::parse(slurp(dir / "o/fisher_summary.json"));
  REQUIRE(summary.at("levels").size() == 3);
  REQUIRE(summary.contains("alarms"));
}

TEST_CASE("the likelihood part is that of halcyon evaluate on the same images", "[cli]") {
  const TemporaryDirectory dir;
  const std::string model = " --checkpoint toy:mixture --images 200 --seed 3 --sigma_min 0.05 ";
  const auto text = fisher(model + "--only likelihood --out " + (dir / "f"));
  REQUIRE_THAT(text, Contains("information bound") && Contains("tails in nats") &&
                         Contains("no dequantisation"));
  REQUIRE(run_program("evaluate --run.threads 1 --sigma_max 50" + model + "--out " + (dir / "e"))
              .code == 0);
  const auto evaluated = nlohmann::json::parse(slurp(dir / "e/likelihood.json"));
  const auto measured = nlohmann::json::parse(slurp(dir / "f/fisher_summary.json"));
  REQUIRE(measured.at("likelihood").at("information") == evaluated.at("information"));
  REQUIRE(measured.at("parts") == std::vector<std::string>{"likelihood"});
}

TEST_CASE("results of another study are not mixed with those of this", "[cli][error]") {
  const TemporaryDirectory dir;
  const auto study = [&](const std::string& arguments) {
    return arguments + " --levels 3 --images 100 --detail_levels 2 --detail_images 8 --out " +
           (dir / "o");
  };
  fisher(study("--checkpoint toy:mixture --only curve,maps"));
  const auto before = slurp(dir / "o/fisher_summary.json");
  REQUIRE_THAT(fisher(study("--checkpoint toy:mixture --only curve --seed 1"), 2),
               Contains("curve, maps of another study") && Contains("seed 0 there, 1 here") &&
                   Contains("another folder"));
  REQUIRE_THAT(fisher(study("--checkpoint toy:gaussian --only dimension"), 2),
               Contains("source toy:mixture there, toy:gaussian here"));
  REQUIRE_THAT(fisher(study("--checkpoint toy:mixture --data.split train --only dimension"), 2),
               Contains("split test there, train here"));
  REQUIRE(slurp(dir / "o/fisher_summary.json") == before);
  REQUIRE_FALSE(fs::exists(dir / "o/intrinsic_dimension.csv"));
  // Where all of it is replaced there is nothing to mix, not even a map of another level.
  fisher(study("--checkpoint toy:mixture --only curve,maps --seed 1 --sigma_min 0.02"));
  REQUIRE_FALSE(fs::exists(dir / "o/maps/sigma_0.0100.safetensors"));
  REQUIRE(fs::exists(dir / "o/maps/sigma_0.0200.safetensors"));
  // A run directory has tables of its own.
  spill(dir / "o/config.ini", "");
  REQUIRE_THAT(fisher(study("--checkpoint toy:mixture --only curve,maps --seed 1"), 2),
               Contains("is a run directory"));
}

TEST_CASE("two models that differ by a known score have their divergence in nats", "[cli][error]") {
  const TemporaryDirectory dir;
  REQUIRE_THAT(fisher("--checkpoint toy:gaussian --against toy:mixture --only divergence --out " +
                          dir / "out",
                      2),
               Contains("against") && Contains("1x4x4") && Contains("1x1x4"));
  REQUIRE_THAT(fisher("--checkpoint toy:gaussian --only curve,mops --out " + dir / "out", 2),
               Contains("mops") && Contains("maps"));
}
