#include <cmath>
#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>

#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon::testing;

namespace {

nlohmann::json evaluate(const std::string& arguments, const std::string& out) {
  const auto outcome = run_program("evaluate " + arguments + " --run.threads 1 --out " + out);
  INFO("halcyon evaluate " << arguments << "\n" << outcome.output);
  REQUIRE(outcome.code == 0);
  return nlohmann::json::parse(slurp(out + "/likelihood.json"));
}

void require_exact(const nlohmann::json& estimate, const nlohmann::json& exact) {
  INFO(estimate << " against " << exact);
  const double error =
      std::hypot(estimate.at("nats_se").get<double>(), exact.at("nats_se").get<double>());
  REQUIRE(std::abs(estimate.at("nats").get<double>() - exact.at("nats").get<double>()) < 5 * error);
}

/// Two classes of 4x4 images in sub-folders, dark and light.
void write_two_classes(const std::string& folder) {
  cv::RNG rng(1);
  for (const int brightness : {60, 190}) {
    const auto sub = folder + "/" + std::to_string(brightness);
    std::filesystem::create_directories(sub);
    for (int i = 0; i < 20; ++i) {
      cv::Mat image(4, 4, CV_8UC1);
      rng.fill(image, cv::RNG::NORMAL, brightness, 10);
      cv::imwrite(sub + "/" + std::to_string(i) + ".png", image);
    }
  }
}

}  // namespace

TEST_CASE("the likelihoods of a toy's exact denoiser are those of its law",
          "[cli][oracle][statistical]") {
  const TemporaryDirectory dir;
  const std::string toy = "--checkpoint toy:mixture --images 1000 --batch 500 ";
  const auto it = evaluate(toy, dir / "out").at("information");
  require_exact(it.at("bound"), it.at("bound_exact"));
  require_exact(it.at("matched"), it.at("matched_exact"));
  REQUIRE(it.at("nfe") == 9);
  const auto ode = evaluate(toy + "--likelihood ode --ode.steps 32", dir / "out").at("ode");
  require_exact(ode.at("nll"), ode.at("nll_exact"));
  REQUIRE(ode.at("nfe") == 128);
  // A row each, under one header.
  const auto csv = slurp(dir / "out/fisher_integrals.csv");
  REQUIRE(std::count(csv.begin(), csv.end(), '\n') == 3);
  REQUIRE(csv.rfind("step,weights,split,n,d,", 0) == 0);
  REQUIRE_THAT(csv, Contains(",rk4,128,none,0.002,80,"));
}

TEST_CASE("a law without a density has no matched tail", "[cli]") {
  const TemporaryDirectory dir;
  const auto outcome =
      run_program("evaluate --checkpoint toy:lowrank --images 50 --out " + (dir / "o"));
  REQUIRE(outcome.code == 0);
  REQUIRE_THAT(outcome.output, Contains("information bound") && !Contains("matched"));
}

TEST_CASE("a class-conditional model is evaluated on dequantised images and for its classes",
          "[cli]") {
  const TemporaryDirectory dir;
  write_two_classes(dir / "images");
  const auto trained = run_program("train --data.path " + dir / "images" +
                                   " --data.labels --model.name mlp --model.mlp.width 16 "
                                   "--model.mlp.depth 1 --training.batch 16 --training.steps 20 "
                                   "--run.sample_every 0 --run.fisher_every 0 --run.threads 1 "
                                   "--run.dir " +
                                   dir / "run");
  INFO(trained.output);
  REQUIRE(trained.code == 0);
  const std::string model = "--checkpoint " + dir / "run ";
  const auto report = evaluate(model + "--class_levels 4", dir / "it");
  REQUIRE(report.at("dequantization") == "uniform");
  REQUIRE(report.at("images") == 40);
  const auto bound = report.at("information").at("bound");
  REQUIRE_THAT(
      bound.at("bits_per_dim").get<double>(),
      WithinRel(bound.at("nats").get<double>() / (16 * std::log(2.0)) + std::log2(127.5), 1e-12));
  REQUIRE(std::isfinite(bound.at("nats").get<double>()));
  REQUIRE_THAT(report.at("class_information").at("log_classes").get<double>(),
               WithinRel(std::log(2.0), 1e-12));
  REQUIRE(report.at("class_information").at("nats_se").get<double>() > 0);

  // Images without classes: the error says what helps, and it does.
  std::filesystem::copy(dir / "images/60", dir / "unlabelled");
  const auto refused = run_program("evaluate " + model + "--data.path " + dir / "unlabelled" +
                                   " --out " + dir / "none");
  REQUIRE(refused.code == 2);
  REQUIRE_THAT(refused.output, Contains("data.labels = false"));
  const auto unlabelled = evaluate(model + "--data.labels false --data.path " + dir / "unlabelled",
                                   dir / "unlabelled_it");
  REQUIRE(unlabelled.at("images") == 20);
  REQUIRE_FALSE(unlabelled.contains("class_information"));

  const auto ode = evaluate(model +
                                "--likelihood ode --ode.solver dopri5 --ode.tolerance 1e-3 "
                                "--images 4 --prior noise --dequantization none",
                            dir / "ode");
  REQUIRE(ode.at("dequantization") == "none");
  REQUIRE(ode.at("ode").at("prior") == "noise alone");
  REQUIRE(std::isfinite(ode.at("ode").at("nll").at("nats").get<double>()));
}

TEST_CASE("options of evaluation out of range are refused", "[cli][error]") {
  const TemporaryDirectory dir;
  const auto refuses = [&](const std::string& arguments, const std::string& part) {
    const auto outcome =
        run_program("evaluate --checkpoint toy:mixture " + arguments + " --out " + dir / "out");
    INFO(arguments << "\n" << outcome.output);
    REQUIRE(outcome.code == 2);
    REQUIRE_THAT(outcome.output, Contains(part));
  };
  refuses("--likelihood exact", "likelihood");
  refuses("--images 1", "images");
  refuses("--it.draws 0", "it.draws");
  refuses("--ode.steps 0", "ode.steps");
  refuses("--likelihood ode --ode.solver dopri5 --ode.tolerance 1e-30", "ode.tolerance");
  refuses("--likelihood ode --ode.solver dopri5 --ode.tolerance 10", "ode.tolerance");
  refuses("--sigma_min 5 --sigma_max 4", "sigma_min");
  refuses("--data.path toy:lowrank", "1x4x4");
}
