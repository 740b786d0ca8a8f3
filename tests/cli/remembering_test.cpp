#include <filesystem>

#include "io/atomic_file.h"
#include "io/csv_reader.h"
#include "io/safetensors.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const std::string kTrain =
    "train --run.threads 1 --data.limit 400 --training.batch 32 --run.sample_every 0 "
    "--run.fisher_every 0 ";

void train_first(const std::string& dir) {
  succeeds(kTrain +
           "--data.path toy:mixture --model.name mlp --model.mlp.width 16 --model.mlp.depth 1 "
           "--training.steps 60 --run.dir " +
           dir);
}

TensorMap weights(const std::string& run_dir, int step) {
  const auto name = "/checkpoints/step-000000" + std::to_string(step) + "/raw.safetensors";
  return read_safetensors(run_dir + name).tensors;
}

double distance(const TensorMap& a, const TensorMap& b) {
  double square = 0;
  for (const auto& [name, tensor] : a) {
    square += (tensor - b.at(name)).square().sum().item<double>();
  }
  return std::sqrt(square);
}

}  // namespace

TEST_CASE("a model remembered stays near, and a resumed run equals an uninterrupted one",
          "[cli][roundtrip]") {
  const TemporaryDirectory dir;
  train_first(dir / "old");
  const auto next = kTrain + "--data.path toy:mixture --optimizer.warmup_steps 1 " +
                    "--optimizer.learning_rate 1e-2 --training.init " + dir / "old" + " ";
  CHECK_THAT(refused(next + "--ewc.checkpoint " + dir / "old" + " --run.dir " + dir / "none"),
             Contains("ewc.curvature") && Contains("--only curvature"));
  CHECK_FALSE(std::filesystem::exists(dir / "none"));
  succeeds("fisher --checkpoint " + dir / "old" +
           " --space parameters --only curvature --run.threads 1 "
           "--parameters.draws 2 --parameters.images 16 --out " +
           dir / "old/fisher");

  const auto ewc = next + "--ewc.checkpoint " + dir / "old" + " --ewc.strength ";
  succeeds(ewc + "1e-6 --training.steps 40 --run.dir " + dir / "free");
  succeeds(ewc + "1000 --training.steps 40 --run.dir " + dir / "held");
  const auto nats = [&](const char* name) {
    return column_numbers(read_csv(dir / name + "/metrics.csv"), "ewc_nats");
  };
  REQUIRE(nats("held").size() == 2);
  CHECK(nats("held").back() < 0.5 * nats("free").back());

  succeeds(ewc + "1000 --training.steps 20 --run.dir " + dir / "parts");
  succeeds("train --resume --run.threads 1 --training.steps 40 --run.dir " + dir / "parts");
  CHECK(distance(weights(dir / "held", 40), weights(dir / "parts", 40)) == 0);
}

TEST_CASE("replayed images are drawn once, and a resumed run equals an uninterrupted one",
          "[cli][roundtrip]") {
  const TemporaryDirectory dir;
  train_first(dir / "old");
  const auto next = kTrain + "--data.path toy:mixture --training.init " + dir / "old" +
                    " --sampler.name euler --sampler.steps 4 --replay.images 100 "
                    "--replay.checkpoint " +
                    dir / "old" + " ";
  succeeds(next + "--training.steps 40 --run.dir " + dir / "whole");
  const auto drawn = read_safetensors(dir / "whole/replay.safetensors").tensors.at("images");
  CHECK(drawn.size(0) == 100);
  succeeds(next + "--training.steps 20 --run.dir " + dir / "parts");
  const auto kept = read_file(dir / "parts/replay.safetensors");
  succeeds("train --resume --run.threads 1 --training.steps 40 --run.dir " + dir / "parts");
  CHECK(read_file(dir / "parts/replay.safetensors") == kept);
  CHECK(distance(weights(dir / "whole", 40), weights(dir / "parts", 40)) == 0);

  CHECK_THAT(refused(next + "--replay.share 0 --run.dir " + dir / "a"), Contains("replay.share"));
  CHECK_THAT(refused(next + "--replay.images 0 --run.dir " + dir / "b"), Contains("replay.images"));
}
