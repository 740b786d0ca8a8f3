#include <cmath>
#include <nlohmann/json.hpp>

#include "io/csv_reader.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const std::string kTrain =
    "train --data.path toy:mixture --data.limit 2000 --model.name mlp --model.mlp.width 16 "
    "--model.mlp.depth 1 --training.batch 32 --run.sample_every 0 --run.fisher_every 0 "
    "--optimizer.warmup_steps 0 --run.threads 1 ";

}  // namespace

TEST_CASE("calibration of a model lowers its error on other images as it said it would",
          "[cli][oracle][statistical]") {
  const TemporaryDirectory dir;
  succeeds(kTrain + "--training.steps 30 --preconditioning.name epsilon --run.dir " + dir / "run");
  const auto file = dir / "new/calibration.csv";
  succeeds("calibrate --levels 5 --sigma_min 0.3 --images 1000 --weights raw --checkpoint " +
           dir / "run" + " --out " + file);
  const auto table = read_csv(file);
  REQUIRE(table.rows.size() == 5);
  const auto value = [&](const std::vector<Cell>& row, const std::string& name) {
    return std::get<double>(row[column_index(table, name, file)]);
  };
  double gained = 0;
  for (const auto& row : table.rows) {
    INFO("sigma " << value(row, "sigma"));
    const double error = std::hypot(value(row, "drop_measured_se"), value(row, "drop_expected_se"));
    REQUIRE(std::abs(value(row, "drop_measured") - value(row, "drop_expected")) < 5 * error);
    REQUIRE_THAT(value(row, "eps_mse_before") - value(row, "eps_mse_after"),
                 WithinAbs(value(row, "drop_measured"), 1e-12));
    gained += value(row, "drop_measured");
  }
  REQUIRE(gained > 0.1);  // 30 steps leave much to mend

  const auto sample = "sample --count 2 --sampler.steps 4 --tensors --checkpoint " + dir / "run";
  succeeds(sample + " --out " + dir / "raw");
  succeeds(sample + " --calibration " + file + " --out " + dir / "mended");
  REQUIRE(slurp(dir / "raw/samples.safetensors") != slurp(dir / "mended/samples.safetensors"));
  const auto summary = nlohmann::json::parse(slurp(dir / "mended/samples.json"));
  REQUIRE(summary["calibration"] == file);
}

TEST_CASE("the exact denoiser of a toy needs no calibration", "[cli][oracle][statistical]") {
  const TemporaryDirectory dir;
  const auto file = dir / "c.csv";
  succeeds("calibrate --levels 6 --images 1000 --checkpoint toy:mixture --out " + file);
  const auto table = read_csv(file);
  for (const auto& row : table.rows) {
    const auto value = [&](const std::string& name) {
      return std::get<double>(row[column_index(table, name, file)]);
    };
    REQUIRE(std::abs(value("score_calibration") - 1) < 5 * value("score_calibration_se"));
    REQUIRE(std::abs(value("drop_measured")) < 5 * value("drop_measured_se") + 1e-9);
  }
}

TEST_CASE("calibration files that are no use are refused by name", "[cli][error]") {
  const TemporaryDirectory dir;
  const auto with = [&](const std::string& csv) {
    spill(dir / "c.csv", csv);
    return "sample --count 1 --checkpoint toy:mixture --out " + dir / "out" + " --calibration " +
           dir / "c.csv";
  };
  refuses(with("sigma,score_calibration\n0.1,1.1\n1,-0.5\n"), {"c.csv", "-0.5 at sigma = 1"});
  refuses(with("sigma,multiplier\n0.1,1.1\n"), {"c.csv", "score_calibration"});
  refuses(with("sigma,score_calibration\n1,1\n0.1,1\n"), {"c.csv", "increasing"});
  refuses(with("sigma,score_calibration\n1,one\n"), {"c.csv", "a number"});
  refuses(with("sigma,score_calibration\n1\n"), {"c.csv", "line 2"});
  refuses(with("sigma,score_calibration\n"), {"c.csv", "rows"});
  refuses("sample --checkpoint toy:mixture --calibration " + dir / "none.csv",
          {"none.csv", "read"});
  refuses("calibrate --checkpoint toy:mixture --images 1", {"--images", ">= 2"});
  REQUIRE_FALSE(std::filesystem::exists(dir / "out"));
}

TEST_CASE("optimal variance comes from a toy's law or from a Fisher table", "[cli]") {
  const TemporaryDirectory dir;
  const std::string sample =
      "sample --count 2 --sampler.name ddpm --sampler.steps 5 --sampler.variance optimal ";
  succeeds(sample + "--checkpoint toy:lowrank --out " + dir / "toy");
  succeeds(kTrain + "--training.steps 4 --run.dir " + dir / "run");
  refuses(sample + "--checkpoint " + dir / "run", {"sampler.fisher", "optimal"});
  succeeds("fisher --levels 4 --images 50 --probes 0 --checkpoint " + dir / "run" + " --out " +
           dir / "f");
  succeeds(sample + "--checkpoint " + dir / "run" + " --sampler.fisher " +
           dir / "f/fisher_levels.csv" + " --out " + dir / "s");
  refuses(sample + "--checkpoint " + dir / "run" + " --sampler.fisher " + dir / "no.csv",
          {"no.csv", "read"});
  // While a toy is learnt the law of the toy will do; of other data nothing is known yet.
  const std::string optimal =
      "--sampler.variance optimal --sampler.name ddpm --run.sample_every 4 --run.sample_count 4 ";
  succeeds(kTrain + optimal + "--training.steps 4 --run.dir " + dir / "learnt");
  refuses(kTrain + optimal + "--data.path " + dir / "images" + " --run.dir " + dir / "late",
          {"sampler.fisher", "optimal"});
}

TEST_CASE("an adaptive run of 100 steps resumed to 200 equals one of 200 bit for bit",
          "[cli][roundtrip]") {
  const TemporaryDirectory dir;
  const auto train = kTrain + "--loss.adaptive " + GENERATE("information", "divergence") +
                     " --loss.adaptive_bins 8 --run.checkpoint_every 50 --run.dir ";
  succeeds(train + dir / "whole" + " --training.steps 200");
  succeeds(train + dir / "parts" + " --training.steps 100");
  succeeds("train --resume --training.steps 200 --run.dir " + dir / "parts");
  const std::string step = "/checkpoints/step-00000200/";
  for (const char* name : {"raw.safetensors", "ema.safetensors", "training.safetensors"}) {
    REQUIRE(slurp(dir / "whole" + step + name) == slurp(dir / "parts" + step + name));
  }
  const auto refused = run_program(
      "train --resume --training.steps 300 --loss.adaptive none "
      "--run.dir " +
      dir / "parts");
  REQUIRE(refused.code == 2);
  REQUIRE_THAT(refused.output, Contains("loss.adaptive"));
}
