#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "checkpoint/checkpoint.h"
#include "checkpoint/curvature_file.h"
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

/// A few steps of a small network on a toy.
void train(const std::string& dir) {
  succeeds(
      "train --run.threads 1 --data.path toy:lowrank --data.limit 400 --model.name mlp "
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
  const auto text =
      succeeds("fisher --checkpoint " + dir / "run" + kSmall + "--out " + dir / "out");
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
  for (const auto& [name, errors] :
       read_safetensors(dir / "out/parameter_diagonal_se.safetensors").tensors) {
    CHECK(errors.sizes() == diagonal.at(name).sizes());
    CHECK((errors >= 0).all().item<bool>());
    CHECK((errors <= diagonal.at(name) * 1.001).all().item<bool>());  // of positive draws
  }
  CHECK(diagonal.size() ==
        read_safetensors(dir / "run/checkpoints/step-00000040/ema.safetensors").tensors.size());

  std::istringstream lines(read_file(dir / "out/parameter_spectrum.jsonl"));
  int bands = 0;
  for (std::string line; std::getline(lines, line); ++bands) {
    const auto json = nlohmann::json::parse(line);
    CHECK(json["band"] == (bands < 2 ? std::to_string(bands) : "all"));
    CHECK(json["eigenvalues"].size() == 3);
    CHECK(json["eigenvalues"][0]["value"].get<double>() <=
          json["trace"]["value"].get<double>() + 5 * json["trace"]["se"].get<double>());
    CHECK(json["effective_parameters"]["value"].get<double>() < json["parameters"].get<double>());
  }
  CHECK(bands == 3);  // and all together

  const auto summary = nlohmann::json::parse(read_file(dir / "out/fisher_summary.json"));
  CHECK_THAT(summary["kl_slope"]["random"]["value"].get<double>(), WithinAbs(2, 0.1));
  CHECK_THAT(summary["kl_slope"]["leading"]["value"].get<double>(), WithinAbs(2, 0.1));
  const auto steps = read_csv(dir / "out/parameter_steps.csv");
  const auto ratios = column_numbers(steps, "ratio");
  CHECK_THAT(ratios.back(), WithinAbs(1, 1e-4));
  for (const auto* picture : {"parameters.png", "parameter_spectrum.png", "spectral_density.png",
                              "effective_parameters.png", "parameter_steps.png"}) {
    CHECK(fs::exists(dir / "out/" + picture));
  }
}

TEST_CASE("every form of curvature is kept, read back, and near the matrix", "[cli]") {
  const auto kind = GENERATE(as<std::string>(), "diagonal", "kfac", "ekfac", "exact");
  const TemporaryDirectory dir;
  train(dir / "run");
  const auto text = succeeds("fisher --checkpoint " + dir / "run" + kSmall + "--only curvature " +
                             "--parameters.curvature " + kind + " --out " + dir / "out");
  CHECK_THAT(text, Contains("curvature (" + kind + ")") && Contains("leading"));

  const auto model = load_model(dir / "run", "ema", /*label=*/-1, torch::kCPU);
  const ParameterSpace space(*model.network);
  const auto curvature = read_curvature(dir / "out/curvature.safetensors", space);
  const auto summary = nlohmann::json::parse(read_file(dir / "out/fisher_summary.json"));
  const auto ratio = [&](const char* direction) {
    return summary["curvature"][direction]["value"].get<double>();
  };
  // Of a random direction blocks say what the diagonal says; all agree on that.
  CHECK_THAT(ratio("random"), WithinAbs(1, 0.25));
  CHECK_THAT(ratio("leading"), WithinAbs(1, 0.5));
  for (const char* direction : {"random", "leading"}) {
    const auto error = summary["curvature"][direction]["se"].get<double>();
    CHECK((error > 0.01 && error < 0.5));
  }

  const auto path = dir / "out/curvature.safetensors";
  auto file = read_safetensors(path);
  write_curvature(dir / "again.safetensors", curvature, {{"content", "curvature"}});
  CHECK(read_safetensors(dir / "again.safetensors").tensors.size() == file.tensors.size());
  const auto refused = [&](const SafetensorsFile& changed, const std::string& why) {
    write_safetensors(dir / "bad.safetensors", changed.tensors, changed.metadata);
    CHECK_THROWS_WITH(read_curvature(dir / "bad.safetensors", space),
                      Contains("bad.safetensors") && Contains(why));
  };
  auto missing = file;
  missing.tensors.erase("out.eigenvalues");
  refused(missing, "block out: want");
  auto unknown = file;
  unknown.metadata["block.out"] += " nothing.weight";
  refused(unknown, "which the network has not");
  auto without = file;
  without.metadata.erase("block.out");
  refused(without, "no block has the parameter out.");
  refused({file.tensors, {}}, "want a file of curvature");
  auto empty = file;
  empty.metadata["block.more"] = "1";
  empty.tensors["more.eigenvalues"] = torch::zeros({0, 0});
  refused(empty, "block more: want parameters");
  auto rows = file;
  rows.metadata["block.out"] = "many";
  refused(rows, "rows");
  auto negative = file;
  negative.tensors["out.eigenvalues"] = -file.tensors.at("out.eigenvalues");
  refused(negative, "finite eigenvalues >= 0");
  negative.tensors["out.eigenvalues"] = file.tensors.at("out.eigenvalues") * NAN;
  refused(negative, "finite eigenvalues >= 0");
  auto zero = file;
  for (auto& [name, values] : zero.tensors) {
    if (name.find("eigenvalues") != name.npos) values = torch::zeros_like(values);
  }
  refused(zero, "not 0");
  auto turned = file;
  turned.tensors["out.eigenvalues"] = file.tensors.at("out.eigenvalues").t().contiguous();
  if (turned.tensors["out.eigenvalues"].size(1) > 1) refused(turned, "rows");
}

TEST_CASE("parts of one space are refused in the other, and models without parameters",
          "[cli][error]") {
  const TemporaryDirectory dir;
  CHECK_THAT(refused("fisher --checkpoint toy:lowrank --space parameters --out " + dir / "a"),
             Contains("--space") && Contains("network"));
  CHECK_THAT(refused("fisher --checkpoint toy:lowrank --only steps --out " + dir / "b"),
             Contains("'steps' wants --space parameters"));
  CHECK_THAT(refused("fisher --checkpoint toy:lowrank --check-kl --out " + dir / "b"),
             Contains("--check_kl: 'steps' wants --space parameters"));
  CHECK_THAT(
      refused("fisher --checkpoint toy:lowrank --space parameters --parameters.steps 4 --out " +
              dir / "c"),
      Contains("--parameters.steps"));
  CHECK_THAT(refused("fisher --checkpoint toy:lowrank --space parameters --parameters.ridge 1e-4 "
                     "--out " +
                     dir / "d"),
             Contains("--parameters.ridge") && Contains("1 / steps^2"));
}
