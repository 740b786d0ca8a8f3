#include "io/run_directory.h"

#include <sys/wait.h>
#include <unistd.h>

#include <optional>

#include "core/error.h"
#include "io/atomic_file.h"
#include "io/environment.h"
#include "tests/io/io_test.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

std::map<std::string, SafetensorsFile> state(double value) {
  return {{"model.safetensors", {{{"w", torch::full({2000}, value)}}, {}}},
          {"optimizer.safetensors", {{{"m", torch::full({2000}, -value)}}, {}}}};
}

double saved_value(const RunDirectory& run, int64_t step) {
  const auto file = read_safetensors(run.checkpoint(step) + "/model.safetensors");
  return file.tensors.at("w")[0].item<double>();
}

}  // namespace

TEST_CASE("a run directory is made once and taken up again", "[io][roundtrip]") {
  const TemporaryDirectory folder;
  const auto path = folder / "runs/a";
  {
    const auto run = RunDirectory::create(path + "/");
    REQUIRE(run.samples(30) == path + "/samples/step-00000030.png");
    put(run.config(), "x");
  }
  REQUIRE_THROWS_WITH(RunDirectory::create(path), Contains("--resume") && Contains("run.dir"));
  REQUIRE(RunDirectory::open(path).checkpoint_steps().empty());
  REQUIRE_THROWS_WITH(RunDirectory::open(folder / "runs"), Contains("no run") && Contains("a"));
  REQUIRE_THROWS_AS(RunDirectory::open(folder / "none"), FileError);
  put(folder / "file", "x");
  REQUIRE_THROWS_AS(RunDirectory::create(folder / "file/run"), FileError);
}

TEST_CASE("a run directory serves one holder at a time", "[io][error]") {
  const TemporaryDirectory folder;
  std::optional<RunDirectory> run = RunDirectory::create(folder / "a");
  put(run->config(), "x");
  REQUIRE_THROWS_WITH(RunDirectory::open(folder / "a"),
                      Contains("in use by process " + std::to_string(::getpid())));
  const auto child = ::fork();
  if (child == 0) {
    try {
      RunDirectory::open(folder / "a");
      ::_exit(0);
    } catch (const FileError&) {
      ::_exit(7);
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  REQUIRE(WEXITSTATUS(status) == 7);
  run.reset();
  REQUIRE_NOTHROW(RunDirectory::open(folder / "a"));
}

TEST_CASE("checkpoints come back and all but the newest are removed", "[io][roundtrip]") {
  const TemporaryDirectory folder;
  auto run = RunDirectory::create(folder / "a");
  for (const int64_t step : {10, 20, 100000000, 30}) {
    run.save_checkpoint(step, state(static_cast<double>(step)), /*keep_last=*/2);
  }
  REQUIRE(run.checkpoint_steps() == std::vector<int64_t>{30, 100000000});
  run.save_checkpoint(30, state(31), /*keep_last=*/0);
  REQUIRE(saved_value(run, 30) == 31);
  run.save_checkpoint(5, state(5), /*keep_last=*/1);  // after a resume from step 4
  REQUIRE(saved_value(run, 5) == 5);
  REQUIRE(names_in(run.path("checkpoints")) ==
          std::set<std::string>{"step-00000005", "step-100000000"});
}

TEST_CASE("a checkpoint that does not fit leaves the older ones", "[io][error]") {
  const TemporaryDirectory folder;
  auto run = RunDirectory::create(folder / "a");
  run.save_checkpoint(10, state(10), /*keep_last=*/1);
  {
    const FullDisk full(4096);
    REQUIRE_THROWS_AS(run.save_checkpoint(20, state(20), /*keep_last=*/1), FileError);
    REQUIRE_THROWS_AS(run.save_checkpoint(10, state(11), /*keep_last=*/1), FileError);
  }
  REQUIRE(names_in(run.path("checkpoints")) == std::set<std::string>{"step-00000010"});
  REQUIRE(saved_value(run, 10) == 10);
}

TEST_CASE("what kill -9 leaves half-written is cleared away on resume", "[io][property]") {
  const TemporaryDirectory folder;
  {
    auto run = RunDirectory::create(folder / "a");
    run.save_checkpoint(10, state(10), /*keep_last=*/0);
    run.save_checkpoint(20, state(20), /*keep_last=*/0);
    put(run.path("checkpoints/.tmp-step-00000030/.tmp-1-1"), "part");
    put(run.path("samples/.tmp-1-2"), "part");
    put(run.path(".tmp-1-3"), "part");
    // Killed between the two renames of a replacement.
    std::filesystem::rename(run.checkpoint(20), run.path("checkpoints/.old-step-00000020"));
    put(run.path("checkpoints/.old-step-00000010/model.safetensors"), "old");
  }
  const auto run = RunDirectory::open(folder / "a");
  REQUIRE(names_in(run.path("checkpoints")) ==
          std::set<std::string>{"step-00000010", "step-00000020"});
  REQUIRE(saved_value(run, 10) == 10);
  REQUIRE(saved_value(run, 20) == 20);
  REQUIRE(names_in(run.path("samples")).empty());
  REQUIRE_FALSE(std::filesystem::exists(run.path(".tmp-1-3")));
}

TEST_CASE("a checkpoint is found from a run or a step or a file", "[io][error]") {
  const TemporaryDirectory folder;
  auto run = RunDirectory::create(folder / "a");
  const auto root = folder / "a";
  REQUIRE_THROWS_WITH(resolve_checkpoint(root, "model.safetensors"), Contains("no checkpoint yet"));
  run.save_checkpoint(9, state(9), /*keep_last=*/0);
  run.save_checkpoint(10, state(10), /*keep_last=*/0);
  const auto newest = run.checkpoint(10) + "/model.safetensors";
  for (const auto& path : {root, run.checkpoint(10), newest}) {
    REQUIRE(std::filesystem::equivalent(resolve_checkpoint(path, "model.safetensors"), newest));
  }
  REQUIRE_THROWS_WITH(
      resolve_checkpoint(root, "ema.safetensors"),
      Contains("no ema.safetensors in") && Contains("model.safetensors, optimizer.safetensors"));
  REQUIRE_THROWS_AS(resolve_checkpoint(folder / "none", "model.safetensors"), CheckpointError);
}

TEST_CASE("every start of a run is recorded in its environment", "[io][roundtrip]") {
  const TemporaryDirectory folder;
  const auto path = folder / "environment.json";
  write_environment(path, {"0.1.0", "cpu", {"halcyon", "train", "a \"b\".ini", "\xff"}});
  write_environment(path, {"0.1.0", "cpu", {"halcyon", "train", "--resume"}});
  const auto text = read_file(path);
  REQUIRE_THAT(text, Contains("a \\\"b\\\".ini") && Contains("--resume"));
  REQUIRE_THAT(text, Contains("libtorch_version") && Contains("compiler") && Contains("cpu"));
}
