#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon::testing;

namespace {

const char* const kTinyRun =
    "--data.path toy:gaussian --data.limit 200 --model.name mlp --model.mlp.width 8 "
    "--model.mlp.depth 1 --training.batch 16 --run.sample_every 0 --run.fisher_every 0 "
    "--run.threads 1 ";

}  // namespace

TEST_CASE("misspelt keys and bad values are refused by name with the nearest", "[cli][error]") {
  const TemporaryDirectory dir;
  refuses("trian", {"'trian'", "'train'"});
  refuses("train --training.stpes 5", {"training.stpes", "'training.steps'"});
  refuses("train --training.steps many", {"training.steps", "many", "whole number"});
  refuses("train --training.steps", {"training.steps"});
  refuses("train stray", {"stray"});
  refuses("train --config " + dir / "none.ini", {"none.ini"});
  spill(dir / "bad.ini", "[model]\nnmae = unet\n");
  refuses("train --config " + dir / "bad.ini", {"bad.ini", "model.nmae", "'model.name'"});
  refuses("train --data.path " + dir / "nowhere", {"data.path", "nowhere"});
  refuses(std::string("train ") + kTinyRun + "--model.name unett", {"model.name", "'unet'"});
  refuses(std::string("train ") + kTinyRun + "--run.device cuda:7", {"run.device", "cuda:7"});
  refuses(std::string("train ") + kTinyRun + "--preconditioning.name epsilonn",
          {"preconditioning.name", "'epsilon'"});
  refuses("sample --checkpoint toy:mixture --graph on --out " + dir / "late",
          {"--graph", "on cpu"});
  refuses("list sampler", {"'sampler'", "'samplers'"});
  // Also what is only used late is refused before the first step.
  refuses(std::string("train ") + kTinyRun + "--sampler.name ddpn --run.dir " + dir / "late",
          {"sampler.name", "'ddpm'"});
  refuses(std::string("train ") + kTinyRun + "--fisher.levels 0 --run.dir " + dir / "late",
          {"fisher.levels"});
  refuses(std::string("train ") + kTinyRun + "--run.keep_checkpoints -1 --run.dir " + dir / "late",
          {"run.keep_checkpoints"});
  REQUIRE_FALSE(std::filesystem::exists(dir / "late"));
}

TEST_CASE("checkpoints that are missing or hostile are refused by file", "[cli][error]") {
  const TemporaryDirectory dir;
  const auto run = dir / "run";
  REQUIRE(
      run_program(std::string("train ") + kTinyRun + "--training.steps 2 --run.dir " + run).code ==
      0);
  const auto step = run + "/checkpoints/step-00000002/";
  const auto good = slurp(step + "ema.safetensors");
  const auto with = [&](const std::string& name, const std::string& bytes) {
    spill(dir / name, bytes);
    return "sample --out " + dir / "out" + " --checkpoint " + dir / name;
  };
  refuses("sample --checkpoint " + dir / "absent", {"absent"});
  refuses("sample", {"--checkpoint"});
  refuses("sample --weights ema-7 --checkpoint " + run, {"ema-7", "ema.safetensors"});
  refuses(with("empty.safetensors", ""), {"empty.safetensors"});
  refuses(with("cut.safetensors", good.substr(0, good.size() - 5)), {"cut.safetensors"});
  refuses(with("head.safetensors", good.substr(0, 100)), {"head.safetensors"});
  refuses(with("pickle.safetensors", "PK\x03\x04" + std::string(100, 'x')),
          {"pickle.safetensors", "safetensors.torch"});
  refuses(with("length.safetensors", std::string(8, '\xff') + "{}"), {"length.safetensors"});
  refuses("sample --checkpoint " + step + "training.safetensors", {"training.safetensors"});
  const auto with_recipe = [&](const std::string& from, const std::string& to) {
    auto bytes = good;  // the header's length counts its padding: shorten the help line above
    const auto at = bytes.find(from);
    REQUIRE(at != std::string::npos);
    const auto comment = bytes.rfind("# ", at);
    const auto excess = to.size() - from.size();
    bytes.replace(at, from.size(), to);
    bytes.erase(comment + 2, excess);
    return bytes;
  };
  refuses(with("deep.safetensors", with_recipe("depth = 1", "depth = 1000000")),
          {"deep.safetensors", "model.mlp.depth"});
  refuses(with("long.safetensors", with_recipe("timesteps = 1000", "timesteps = 100000000")) +
              " --sampler.name ddpm",
          {"timesteps"});
  refuses("sample --label -2 --checkpoint " + run, {"--class"});
  auto other = good;  // a recipe for a wider network than the tensors are of
  const auto at = other.find("width = 8");
  REQUIRE(at != std::string::npos);
  other.replace(at, 9, "width = 6");
  refuses(with("other.safetensors", other), {"other.safetensors", "want"});
  REQUIRE_FALSE(std::filesystem::exists(dir / "out/grid.png"));
}

TEST_CASE("options of sampling and measuring out of range are refused", "[cli][error]") {
  refuses("sample --checkpoint toy:mixture --sampler.name hune", {"'heun'"});
  refuses("sample --checkpoint toy:mixture --count 0", {"--count"});
  refuses("sample --checkpoint toy:mixture --count 9223372036854775807", {"--count", "4294967296"});
  refuses("sample --checkpoint toy:mixture --class 1 --label 2", {"--label", "--class"});
  refuses("sample --checkpoint toy:mixture --sampler.steps -1 --out /dev/null/x", {"steps"});
  refuses("sample --checkpoint toy:mixture --out /dev/null/x", {"/dev/null/x"});
  const TemporaryDirectory dir;
  refuses("fisher --checkpoint toy:mixture --levels 1 --out " + dir / "f", {"halcyon: --levels"});
  refuses("fisher --checkpoint toy:mixture --images 1 --out " + dir / "f", {"halcyon: --images"});
  refuses("fisher --checkpoint toy:mixture --detail_images 1 --out " + dir / "f",
          {"--detail_images"});
  refuses("fisher --checkpoint toy:mixture --only divergence --out " + dir / "f", {"--against"});
  REQUIRE_THAT(run_program("fisher --help").output, Contains("the test part if none is named"));
  refuses("fisher --checkpoint toy:mixture --data.path toy:lowrank", {"1x8x8", "1x4x4"});
}

TEST_CASE("a run directory is neither overwritten nor shared", "[cli][error]") {
  const TemporaryDirectory dir;
  const auto run = dir / "run";
  const auto train = std::string("train ") + kTinyRun + "--training.steps 2 --run.dir " + run;
  refuses(train + " --resume", {run});
  REQUIRE(run_program(train).code == 0);
  const auto before = slurp(run + "/checkpoints/step-00000002/raw.safetensors");
  refuses(train, {run, "--resume"});
  refuses(train + " --resume --training.steps 4 --model.mlp.width 16", {"model.mlp.width"});
  refuses(train + " --resume --training.steps 4 --data.path toy:mixture", {"data.path"});
  const auto second =
      run_program("train " + std::string(kTinyRun) + "--resume --training.steps 4 --run.dir " + run,
                  "exec 9>>" + run + "/.lock; flock -n 9 || exit 99;");
  INFO(second.output);
  REQUIRE(second.code == 2);
  REQUIRE_THAT(second.output, Contains("in use"));
  REQUIRE(slurp(run + "/checkpoints/step-00000002/raw.safetensors") == before);
}

TEST_CASE("a loss that is not finite stops with the step and the last checkpoint", "[cli][error]") {
  const TemporaryDirectory dir;
  const auto outcome = run_program(std::string("train ") + kTinyRun +
                                   "--optimizer.learning_rate 1e30 --optimizer.warmup_steps 0 "
                                   "--optimizer.gradient_clip 0 --training.steps 50 --run.dir " +
                                   dir / "run" + " --run.checkpoint_every 1");
  INFO(outcome.output);
  REQUIRE(outcome.code == 1);
  REQUIRE_THAT(outcome.output, Contains("step ") && Contains("sigma was in") &&
                                   Contains("last good checkpoint is " + dir / "run"));
}
