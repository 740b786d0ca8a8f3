#include <algorithm>
#include <fstream>
#include <numeric>

#include "core/error.h"
#include "io/csv_reader.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const std::string kTrain =
    "train --data.path toy:gaussian --data.limit 200 --model.name mlp --model.mlp.width 8 "
    "--model.mlp.depth 1 --training.batch 16 --run.sample_every 0 --run.fisher_every 0 "
    "--run.tensorboard false --run.log_every 2 --run.threads 1 --optimizer.natural.factor_every 3 "
    "--optimizer.natural.inverse_every 9 --optimizer.natural.kl_clip 1e-3 ";

const std::string kSmallUnet =
    "--data.path toy:mixture --model.name unet --model.unet.channels 8 --model.unet.norm_groups 4 "
    "--model.unet.channel_mult 1,2 ";

}  // namespace

TEST_CASE("a run by EKFAC goes on as if it had not stopped, and logs nats and damping",
          "[cli][optimizer][roundtrip]") {
  const TemporaryDirectory dir;
  const auto train =
      kTrain +
      "--optimizer.name ekfac --optimizer.natural.damping_rule "
      "levenberg_marquardt --optimizer.learning_rate 1 --optimizer.warmup_steps 0 --run.dir ";
  REQUIRE(run_program(train + dir / "whole" + " --training.steps 14").code == 0);
  REQUIRE(run_program(train + dir / "parts" + " --training.steps 8").code == 0);
  const auto on = "train --resume --training.steps 14 --run.dir " + dir / "parts";
  refuses(on + " --optimizer.name kfac", {"optimizer.name", "'ekfac'", "'kfac'"});
  REQUIRE(run_program(on).code == 0);
  for (const std::string file : {"raw", "ema", "training"}) {
    const auto path = "/checkpoints/step-00000014/" + file + ".safetensors";
    CHECK(slurp(dir / "whole" + path) == slurp(dir / "parts" + path));
  }
  const auto table = read_csv(dir / "whole/metrics.csv");
  for (const double kl : column_numbers(table, "step_kl")) CHECK((kl > 0 && kl < 1.001e-3));
  CHECK(column_numbers(table, "damping").back() != 0.01);
}

TEST_CASE("natural gradients train a toy at a constant rate without leaving it",
          "[cli][optimizer]") {
  const TemporaryDirectory dir;
  const std::string name = GENERATE("kfac", "ekfac");
  succeeds(
      "train --data.path toy:mixture --data.limit 300 --model.name mlp --model.mlp.width 16 "
      "--model.mlp.depth 2 --training.batch 32 --training.steps 100 --optimizer.warmup_steps 0 "
      "--optimizer.learning_rate 1 --run.seed 3 --run.sample_every 0 --run.fisher_every 0 "
      "--run.tensorboard false --run.threads 1 --run.log_every 1 --optimizer.name " +
      name + " --run.dir " + dir / "run");
  const auto loss = column_numbers(read_csv(dir / "run/metrics.csv"), "loss");
  CHECK(*std::max_element(loss.begin(), loss.end()) < 1.5);
  const auto end = std::vector<double>(loss.end() - 20, loss.end());
  CHECK(std::accumulate(end.begin(), end.end(), 0.0) / 20 < 0.98);
}

TEST_CASE("kfac and ekfac have a learning rate of their own, and say where one is too low",
          "[cli][optimizer]") {
  const TemporaryDirectory dir;
  const auto train = kTrain + "--training.steps 1 --run.dir ";
  const auto rate_of = [&](const std::string& run) {
    const auto config = slurp(run + "/config.ini");
    const std::string key = "\nlearning_rate = ";
    return std::stod(config.substr(config.find(key) + key.size()));
  };
  CHECK(succeeds(train + dir / "kfac" + " --optimizer.name kfac").find("warning") ==
        std::string::npos);
  CHECK(rate_of(dir / "kfac") == 1);
  succeeds(train + dir / "adamw");
  CHECK(rate_of(dir / "adamw") == 2e-4);
  const auto low =
      succeeds(train + dir / "low" + " --optimizer.name ekfac --optimizer.learning_rate 1e-3");
  CHECK_THAT(low, Contains("warning") && Contains("optimizer.natural.kl_clip"));
  CHECK(rate_of(dir / "low") == 1e-3);
}

TEST_CASE("kfac of shared weights is as natural.sharing says", "[cli][optimizer]") {
  const TemporaryDirectory dir;
  const auto train = kTrain + kSmallUnet + "--optimizer.name kfac --training.steps 2 --run.dir ";
  succeeds(train + dir / "expand");
  succeeds(train + dir / "reduce" + " --optimizer.natural.sharing reduce");
  const std::string weights = "/checkpoints/step-00000002/raw.safetensors";
  CHECK(slurp(dir / "expand" + weights) != slurp(dir / "reduce" + weights));
}

TEST_CASE("the gradient in bands of noise levels is logged and changes nothing",
          "[cli][optimizer]") {
  const TemporaryDirectory dir;
  const auto dropout = kSmallUnet + "--model.unet.dropout 0.3 ";
  const auto more =
      GENERATE_COPY(as<std::string>(), "", "--optimizer.name ekfac ", "--training.accumulate 2 ",
                    dropout, dropout + "--training.recompute true ");
  const auto train = kTrain + "--training.batch 32 --training.steps 6 " + more + "--run.dir ";
  succeeds(train + dir / "plain");
  succeeds(train + dir / "bands" + " --run.gradient_bands 3");
  for (const std::string file : {"raw", "training"}) {
    const auto path = "/checkpoints/step-00000006/" + file + ".safetensors";
    CHECK(slurp(dir / "plain" + path) == slurp(dir / "bands" + path));
  }
  const auto table = read_csv(dir / "bands/metrics.csv");
  const auto first = [&](const std::string& column) {
    const auto numbers = column_numbers(table, column);
    REQUIRE(numbers.size() == 3);
    return numbers.front();
  };
  CHECK(first("band1_sigma") < first("band2_sigma"));
  CHECK(first("band2_sigma") < first("band3_sigma"));
  for (const std::string band : {"band1_", "band2_", "band3_"}) {
    for (const std::string what : {"gradient", "snr"}) {
      CHECK(std::isfinite(first(band + what)));
      CHECK(first(band + what + "_se") > 0);
    }
  }
  refuses(train + dir / "many" + " --run.gradient_bands 5", {"run.gradient_bands", "0 .. 4"});
  const auto on = "train --resume --training.steps 8 --run.dir " + dir / "bands";
  refuses(on + " --run.gradient_bands 2", {"run.gradient_bands", "3", "metrics.csv"});
  succeeds(on);
  for (const std::string run : {"plain", "bands"}) {
    succeeds("report " + dir / run);
    const auto page = slurp(dir / run + "/report.html");
    const bool banded = run == "bands";
    CHECK((page.find("Gradient by noise level") != std::string::npos) == banded);
    CHECK((page.find("σ about") != std::string::npos) == banded);
  }
}

TEST_CASE("a run stopped while the header of its log was written goes on", "[cli][optimizer]") {
  const TemporaryDirectory dir;
  const auto train = kTrain + "--training.batch 32 --run.gradient_bands 3 --run.dir " + dir / "run";
  succeeds(train + " --training.steps 2");
  std::ofstream(dir / "run/metrics.csv") << "step,images,lo";
  succeeds("report " + dir / "run");
  succeeds("train --resume --training.steps 4 --run.dir " + dir / "run");
  const auto table = read_csv(dir / "run/metrics.csv");
  CHECK(column_numbers(table, "step") == std::vector<double>{4});
  CHECK(std::isfinite(column_numbers(table, "band3_snr").front()));
}

TEST_CASE("optimisers and their options are refused by key", "[cli][optimizer][error]") {
  const TemporaryDirectory dir;
  const auto train = kTrain + "--run.dir " + dir / "run ";
  refuses(train + "--optimizer.name kfak", {"optimizer.name", "'kfac'"});
  refuses(train + "--optimizer.name kfac --training.recompute", {"training.recompute", "kfac"});
  refuses(train + "--optimizer.name ekfac --run.graph", {"run.graph", "ekfac"});
  refuses(train + "--optimizer.momentum 1", {"optimizer.momentum", "[0, 1)"});
  refuses(train + "--optimizer.newton_schulz_steps 0", {"optimizer.newton_schulz_steps"});
  for (const std::string key : {"damping 0", "factor_every 0", "inverse_every 0", "inverse_every 7",
                                "factor_decay 1", "momentum 1", "kl_clip -1", "images 0",
                                "damping_rule trust", "targets all", "sharing some"}) {
    refuses(train + "--optimizer.natural." + key,
            {"optimizer.natural." + key.substr(0, key.find(' '))});
  }
  CHECK_FALSE(std::filesystem::exists(dir / "run"));
}
