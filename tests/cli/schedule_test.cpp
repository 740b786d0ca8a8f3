#include <nlohmann/json.hpp>

#include "cli/level_files.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("a schedule that the model chose is sampled with", "[cli]") {
  const TemporaryDirectory dir;
  const auto method = GENERATE(as<std::string>{}, "fisher", "entropy", "error");
  const auto made =
      run_program("schedule --checkpoint toy:mixture --steps 9 --levels 12 --images 64 " +
                  ("--method " + method) + " --out " + dir / "grid.csv");
  INFO(made.output);
  REQUIRE(made.code == 0);
  const auto levels = load_grid_levels(dir / "grid.csv");
  REQUIRE(levels.size() == 9);
  CHECK_THAT(levels.front(), WithinRel(80, 1e-6));
  CHECK_THAT(levels.back(), WithinRel(0.002, 1e-6));
  CHECK(slurp(dir / "grid_density.csv").rfind("sigma,score_change,score_change_se,", 0) == 0);

  const auto drawn = run_program(
      "sample --checkpoint toy:mixture --count 4 --sampler.name unipc_2 "
      "--sampler.grid file --sampler.grid_file " +
      dir / "grid.csv" + " --out " + dir / "s");
  INFO(drawn.output);
  REQUIRE(drawn.code == 0);
  CHECK(nlohmann::json::parse(slurp(dir / "s/samples.json"))["nfe"] == 9);
}

TEST_CASE("samples of a law are nearer to it than those of another", "[cli]") {
  const TemporaryDirectory dir;
  const auto distance = [&](const std::string& toy) {
    const auto drawn = run_program("sample --checkpoint toy:" + toy + " --count 512 --out " +
                                   (dir / (toy + ".safetensors")));
    REQUIRE(drawn.code == 0);
    const auto measured =
        run_program("evaluate --metrics sliced --data.path toy:gaussian " +
                    ("--samples " + (dir / (toy + ".safetensors"))) + " --out " + dir / "d");
    INFO(measured.output);
    REQUIRE(measured.code == 0);
    const auto json = nlohmann::json::parse(slurp(dir / "d/evaluation.json"));
    return json["metrics"]["sliced_wasserstein"]["value"].get<double>();
  };
  CHECK(distance("gaussian") < 0.1);
  const auto other = run_program("evaluate --data.path toy:mixture --samples " +
                                 (dir / "gaussian.safetensors") + " --out " + dir / "other");
  CHECK(other.code == 2);
  CHECK(other.output.find("want one shape") != std::string::npos);
}

TEST_CASE("a schedule makes the folder that it is to lie in", "[cli]") {
  const TemporaryDirectory dir;
  const std::string line =
      "schedule --checkpoint toy:mixture --steps 3 --levels 3 --images 4 --out ";
  const auto made = run_program(line + dir / "new/grid.csv");
  INFO(made.output);
  REQUIRE(made.code == 0);
  REQUIRE(load_grid_levels(dir / "new/grid.csv").size() == 3);
  spill(dir / "file", "");
  const auto refused = run_program(line + dir / "file/grid.csv");
  REQUIRE(refused.code == 2);
  REQUIRE(refused.output.find(dir / "file") != std::string::npos);
}

TEST_CASE("bad options of schedule are refused by name", "[cli][error]") {
  const auto refused = [](const std::string& arguments, const std::string& what) {
    const auto outcome = run_program(arguments);
    INFO(outcome.output);
    CHECK(outcome.code == 2);
    CHECK(outcome.output.find(what) != std::string::npos);
  };
  refused("schedule --checkpoint toy:mixture --steps 0", "--steps");
  refused("schedule --checkpoint toy:mixture --images 1", "--images");
  refused("schedule --checkpoint toy:mixture --sigma_min 90", "--sigma_min");
  refused("schedule --checkpoint toy:mixture --method karras", "fisher");
}
