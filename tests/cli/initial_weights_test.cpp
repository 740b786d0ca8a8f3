#include "io/safetensors.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("training begins with the weights of a checkpoint", "[cli][property]") {
  const TemporaryDirectory dir;
  const std::string common =
      "--data.path toy:gaussian --data.limit 200 --training.batch 16 --run.sample_every 0 "
      "--run.fisher_every 0 --run.threads 1 ";
  succeeds("train " + common +
           "--model.name mlp --model.mlp.width 8 --model.mlp.depth 1 "
           "--preconditioning.name v --training.steps 3 --run.dir " +
           dir / "first");
  const auto again = "train " + common + "--training.steps 1 --optimizer.learning_rate 1e-12 " +
                     "--training.init " + dir / "first";
  succeeds(again + " --run.dir " + dir / "second");
  const auto load = [&](const std::string& name, const char* step) {
    return read_safetensors(dir / name + "/checkpoints/step-0000000" + step).tensors;
  };
  const auto before = load("first", "3/ema.safetensors");
  for (const auto* file : {"1/raw.safetensors", "1/ema.safetensors"}) {
    for (const auto& [name, tensor] : load("second", file)) {
      CAPTURE(name);
      REQUIRE((tensor - before.at(name)).abs().max().item<double>() < 1e-9);
    }
  }
  const auto config = slurp(dir / "second/config.ini");
  REQUIRE_THAT(config, Contains("init = " + dir / "first"));
  REQUIRE_THAT(config, Contains("name = v"));
  const auto refused = run_program(again + " --model.mlp.width 16 --run.dir " + dir / "third");
  REQUIRE(refused.code == 2);
  REQUIRE_THAT(refused.output,
               Contains("ema.safetensors") && Contains("tensor '") && Contains("want"));
  REQUIRE_FALSE(std::filesystem::exists(dir / "third"));
  // It goes on from its own checkpoint, though the first is gone.
  std::filesystem::remove_all(dir / "first");
  succeeds("train --resume --training.steps 2 --run.dir " + dir / "second");
}
