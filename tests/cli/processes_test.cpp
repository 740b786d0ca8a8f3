#include <nlohmann/json.hpp>

#include "cli/level_files.h"
#include "config/options.h"
#include "core/denoising_loss.h"
#include "core/preconditioning.h"
#include "samplers/registry.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const std::string kTrain =
    "train --data.path toy:mixture --data.limit 200 --model.name mlp --model.mlp.width 8 "
    "--model.mlp.depth 1 --training.batch 16 --training.steps 4 --run.sample_every 0 "
    "--run.fisher_every 0 --run.threads 1 ";

}  // namespace

TEST_CASE("a flow model is trained and sampled on its own process", "[cli]") {
  const TemporaryDirectory dir;
  succeeds(kTrain +
           "--preconditioning.name velocity --loss.distribution process "
           "--loss.weighting network --run.dir " +
           dir / "run");
  succeeds(
      "sample --count 2 --sampler.name ddim --sampler.grid process --sampler.steps 5 "
      "--checkpoint " +
      dir / "run" + " --out " + dir / "s");
  const auto summary = nlohmann::json::parse(slurp(dir / "s/samples.json"));
  REQUIRE(summary["grid"] == "process");
  REQUIRE_THAT(summary["sigma_max"].get<double>(), WithinRel(999, 1e-6));
  REQUIRE_THAT(summary["sigma_min"].get<double>(), WithinRel(1.0 / 999, 1e-6));
}

TEST_CASE("recipes from before there were processes mean what they did", "[cli][roundtrip]") {
  PreconditioningOptions options;
  OptionSet(options).read_ini(
      "name = epsilon\nsigma_data = 0.7\nbeta = cosine\ntimesteps = 500\nbeta_start = 1e-4\n"
      "beta_end = 0.02\n",
      "old recipe");
  const auto process = make_noise_process(process_options(options));
  const VpSchedule schedule({.beta = BetaSchedule::cosine, .timesteps = 500});
  REQUIRE(process->time_max() == 499);
  REQUIRE(process->sigma_min() == schedule.sigma_min());
  REQUIRE(process->sigma_max() == schedule.sigma_max());
  options.name = "edm";
  REQUIRE(make_preconditioning(options)->sigma_max() == 80);
  LossOptions loss;
  OptionSet(loss).read_ini("distribution = vp\nweighting = epsilon\n", "old recipe");
  REQUIRE(loss.distribution == SigmaDistribution::vp);
}

TEST_CASE("pairs and process options that make no sense are refused before anything is written",
          "[cli][error]") {
  const TemporaryDirectory dir;
  const auto train = kTrain + "--run.dir " + dir / "run" + " --preconditioning.";
  refuses(train + "name velocity --preconditioning.process ve",
          {"preconditioning.name = velocity", "preconditioning.process", "want flow", "got ve"});
  refuses(train + "process flwo", {"preconditioning.process", "'flow'"});
  refuses(train + "name epsilon --preconditioning.zero_terminal_snr", {"zero_terminal_snr"});
  refuses(train + "name velocity --preconditioning.sigma_max 80", {"sigma_max", "flow"});
  REQUIRE_FALSE(std::filesystem::exists(dir / "run"));
}

TEST_CASE("noise levels are taken from a file and resampled", "[cli]") {
  const TemporaryDirectory dir;
  spill(dir / "levels.csv", "step,sigma\n1,100\n2,10\n3,1\n4,0.01\n");
  REQUIRE(load_grid_levels(dir / "levels.csv") == std::vector<double>{100, 10, 1, 0.01});
  const auto sample =
      "sample --count 2 --checkpoint toy:mixture --sampler.grid file "
      "--sampler.grid_file " +
      dir / "levels.csv" + " --out " + dir / "s";
  succeeds(sample);
  auto summary = nlohmann::json::parse(slurp(dir / "s/samples.json"));
  REQUIRE(summary["steps"] == 4);
  REQUIRE(summary["sigma_max"] == 100);
  succeeds(sample + " --sampler.steps 9");
  summary = nlohmann::json::parse(slurp(dir / "s/samples.json"));
  REQUIRE(summary["steps"] == 9);
  REQUIRE(summary["sigma_min"] == 0.01);
}

TEST_CASE("files of noise levels that are no use are refused by line", "[cli][error]") {
  const TemporaryDirectory dir;
  const auto with = [&](const std::string& csv) {
    spill(dir / "g.csv", csv);
    return "sample --count 1 --checkpoint toy:mixture --sampler.grid file --sampler.grid_file " +
           dir / "g.csv" + " --out " + dir / "out";
  };
  refuses(with("sigma\n10\n1\n2\n"), {"g.csv", "line 4", "< 1, got 2"});
  refuses(with("sigma\n10\n1\n0\n"), {"g.csv", "line 4", "got 0", "by itself"});
  refuses(with("sigma\n10\nten\n"), {"g.csv", "line 3", "no number"});
  refuses(with("sigma\n10\n\n1\n"), {"g.csv", "line 3", "no number"});
  refuses(with("sigma\ninf\n1\n"), {"g.csv", "line 2", "got inf"});
  refuses(with("level\n10\n"), {"g.csv", "'sigma'", "level"});
  refuses(with("sigma\n"), {"g.csv", "rows"});
  refuses(with("sigma\n10\n1"), {"g.csv", "line end"});
  const std::string toy = "sample --count 1 --checkpoint toy:mixture --out " + dir / "out";
  refuses(toy + " --sampler.grid file", {"sampler.grid_file"});
  refuses(toy + " --sampler.grid file --sampler.grid_file none.csv", {"none.csv"});
  refuses(toy + " --sampler.grid_file g.csv", {"sampler.grid_file", "sampler.grid = file"});
  refuses(toy + " --sampler.grid trailing --sampler.steps 2000", {"sampler.steps", "timesteps"});
  REQUIRE_FALSE(std::filesystem::exists(dir / "out"));
}

TEST_CASE("list shows what restore can do, and its usage names every list", "[cli]") {
  const auto text = succeeds("list tasks methods");
  for (const std::string name : {"inpaint", "superresolve", "deblur", "colourise", "pigdm", "dps",
                                 "ddrm", "repaint", "halcyon restore --method"}) {
    REQUIRE_THAT(text, Contains(name));
  }
  REQUIRE_THAT(succeeds("list --help"), Contains("samplers|") && Contains("|tasks|methods|"));
}

TEST_CASE("list shows processes, what goes with them, and grids", "[cli]") {
  const auto text = succeeds("list processes preconditionings grids");
  for (const char* name :
       {"sub_vp", "flow", "velocity", "vp, vp_sde", "trailing", "N(0, 100^2 I)"}) {
    REQUIRE_THAT(text, Contains(name));
  }
}
