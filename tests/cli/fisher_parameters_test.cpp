#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "io/atomic_file.h"
#include "io/csv_reader.h"
#include "io/safetensors.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;
namespace fs = std::filesystem;

namespace {

std::string run(const std::string& arguments, int code = 0) {
  const auto outcome = run_program(arguments);
  INFO("halcyon " << arguments << "\n" << outcome.output);
  REQUIRE(outcome.code == code);
  return outcome.output;
}

/// A few steps of a small network on a toy.
void train(const std::string& dir) {
  run("train --run.threads 1 --data.path toy:lowrank --data.limit 400 --model.name mlp "
      "--model.mlp.width 16 --model.mlp.depth 2 --training.steps 40 --training.batch 32 "
      "--run.sample_every 0 --run.fisher_every 0 --run.dir " +
      dir);
}

const std::string kSmall =
    " --space parameters --run.threads 1 --parameters.bands 2 --parameters.draws 24 "
    "--parameters.products 24 --parameters.images 32 --parameters.top 3 --parameters.steps 8 "
    "--parameters.ridge 0.05 ";

}  // namespace

TEST_CASE("the information of a network's parameters is told by layer and band", "[cli]") {
  const TemporaryDirectory dir;
  train(dir / "run");
  const auto text = run("fisher --checkpoint " + dir / "run" + kSmall + "--out " + dir / "out");
  CHECK_THAT(text, Contains("tr F by products") && Contains("participation ratio"));
  const auto table = read_csv(dir / "out/fisher_parameters.csv");
  const auto numbers = [&](const char* column) { return column_numbers(table, column); };
  const auto fisher = numbers("fisher"), se = numbers("fisher_se");
  const auto other = numbers("gauss_newton"), other_se = numbers("gauss_newton_se");
  const size_t layers = fisher.size() / 3;
  REQUIRE(layers > 2);
  REQUIRE(fisher.size() == 3 * layers);
  double largest = 0;
  for (size_t band = 0; band < 3; ++band) {
    double sum = 0;
    for (size_t i = 0; i + 1 < layers; ++i) sum += fisher[band * layers + i];
    const size_t all = band * layers + layers - 1;
    CHECK_THAT(fisher[all], WithinRel(sum, 1e-4));
    // Two estimators of one number.
    CHECK(std::abs(fisher[all] - other[all]) < 5 * std::hypot(se[all], other_se[all]));
    largest = std::max(largest, fisher[all]);
  }
  CHECK_THAT(fisher.back(), WithinRel((fisher[layers - 1] + fisher[2 * layers - 1]) / 2, 1e-4));

  const auto diagonal = read_safetensors(dir / "out/parameter_diagonal.safetensors").tensors;
  double trace = 0;
  for (const auto& [name, values] : diagonal) trace += values.sum(torch::kFloat64).item<double>();
  CHECK_THAT(trace, WithinRel(fisher.back(), 1e-4));
  CHECK(diagonal.size() ==
        read_safetensors(dir / "run/checkpoints/step-00000040/ema.safetensors").tensors.size());

  std::istringstream lines(read_file(dir / "out/parameter_spectrum.jsonl"));
  int bands = 0;
  for (std::string line; std::getline(lines, line); ++bands) {
    const auto json = nlohmann::json::parse(line);
    CHECK(json["eigenvalues"].size() == 3);
    CHECK(json["eigenvalues"][0]["value"].get<double>() <=
          json["trace"]["value"].get<double>() + 5 * json["trace"]["se"].get<double>());
    CHECK(json["effective_parameters"]["value"].get<double>() < json["parameters"].get<double>());
  }
  CHECK(bands == 2);

  const auto summary = nlohmann::json::parse(read_file(dir / "out/fisher_summary.json"));
  CHECK_THAT(summary["kl_slope"]["random"]["value"].get<double>(), WithinAbs(2, 0.1));
  CHECK_THAT(summary["kl_slope"]["leading"]["value"].get<double>(), WithinAbs(2, 0.1));
  const auto steps = read_csv(dir / "out/parameter_steps.csv");
  const auto ratios = column_numbers(steps, "ratio");
  CHECK_THAT(ratios.back(), WithinAbs(1, 1e-4));
  for (const auto* picture : {"parameters.png", "parameter_spectrum.png",
                              "effective_parameters.png", "parameter_steps.png"}) {
    CHECK(fs::exists(dir / "out/" + picture));
  }
}

TEST_CASE("parts of one space are refused in the other, and models without parameters",
          "[cli][error]") {
  const TemporaryDirectory dir;
  CHECK_THAT(run("fisher --checkpoint toy:lowrank --space parameters --out " + dir / "a", 2),
             Contains("--space") && Contains("network"));
  CHECK_THAT(run("fisher --checkpoint toy:lowrank --only steps --out " + dir / "b", 2),
             Contains("'steps' wants --space parameters"));
  CHECK_THAT(run("fisher --checkpoint toy:lowrank --space parameters --parameters.steps 4 --out " +
                     dir / "c",
                 2),
             Contains("--parameters.steps"));
  CHECK_THAT(
      run("fisher --checkpoint toy:lowrank --space parameters --parameters.ridge 1e-4 --out " +
              dir / "d",
          2),
      Contains("--parameters.ridge") && Contains("1 / steps^2"));
}
