#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <sstream>

#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon::testing;

namespace {

namespace fs = std::filesystem;

const char* const kToyRun =
    "train --data.path toy:mixture --data.limit 2000 --model.name mlp --model.mlp.width 32 "
    "--model.mlp.depth 2 --training.batch 32 --run.log_every 10 --run.checkpoint_every 50 "
    "--run.sample_every 100 --run.sample_count 4 --run.fisher_every 200 --fisher.levels 3 "
    "--fisher.images 16 --ema.halflife_images 500,2000 --run.threads 1 ";

/// The columns of metrics.csv that do not tell the time.
std::string without_times(const std::string& csv) {
  std::istringstream in(csv);
  std::string out;
  for (std::string line; std::getline(in, line);) {
    for (int column = 0; column < 2; ++column) line.erase(line.rfind(','));
    out += line + "\n";
  }
  return out;
}

void require_same_checkpoint(const std::string& a, const std::string& b) {
  const std::string step = "/checkpoints/step-00000400/";
  for (const char* name : {"raw", "ema", "ema-2000", "training"}) {
    INFO(name);
    const auto bytes = slurp(a + step + name + ".safetensors");
    REQUIRE(bytes.size() > 1000);
    REQUIRE(bytes == slurp(b + step + name + ".safetensors"));
  }
  REQUIRE(without_times(slurp(a + "/metrics.csv")) == without_times(slurp(b + "/metrics.csv")));
  REQUIRE(slurp(a + "/fisher_levels.csv") == slurp(b + "/fisher_levels.csv"));
  REQUIRE(slurp(a + "/samples/step-00000400.png") == slurp(b + "/samples/step-00000400.png"));
}

std::vector<std::vector<std::string>> read_csv(const std::string& path) {
  std::istringstream in(slurp(path));
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(in, line);) {
    auto& row = rows.emplace_back();
    std::istringstream cells(line);
    for (std::string cell; std::getline(cells, cell, ',');) row.push_back(cell);
  }
  return rows;
}

}  // namespace

TEST_CASE("a run that is killed and resumed equals one that is not bit for bit",
          "[cli][roundtrip]") {
  const TemporaryDirectory dir;
  succeeds(kToyRun + ("--training.steps 400 --run.dir " + dir / "whole"));
  const auto broken = dir / "broken";
  const auto killed = run_program(kToyRun + ("--training.steps 400 --run.dir " + broken),
                                  GENERATE("timeout -s KILL 0.9", "timeout -s KILL 1.5"));
  INFO(killed.output);
  if (!fs::exists(broken + "/config.ini")) {  // killed before the run began
    succeeds(kToyRun + ("--training.steps 400 --run.dir " + broken));
  } else {
    fs::create_directories(broken + "/checkpoints/.tmp-step-00000400");  // half a checkpoint
    spill(broken + "/checkpoints/.tmp-step-00000400/raw.safetensors", "cut");
    succeeds("train --resume --run.dir " + broken);
    REQUIRE_FALSE(fs::exists(broken + "/checkpoints/.tmp-step-00000400"));
  }
  require_same_checkpoint(dir / "whole", broken);
}

TEST_CASE("a run of 200 steps resumed to 400 equals one of 400 bit for bit", "[cli][roundtrip]") {
  const TemporaryDirectory dir;
  succeeds(kToyRun + ("--training.steps 400 --run.dir " + dir / "whole"));
  succeeds(kToyRun + ("--training.steps 200 --run.dir " + dir / "parts"));
  succeeds("train --resume --training.steps 400 --run.dir " + dir / "parts");
  require_same_checkpoint(dir / "whole", dir / "parts");
  REQUIRE_THAT(succeeds("inspect " + dir / "parts"),
               Contains("data.path = toy:mixture") && Contains("step-00000400"));
}

TEST_CASE("SIGTERM finishes the step and keeps it in a checkpoint and exits 143", "[cli]") {
  const TemporaryDirectory dir;
  const auto run = dir / "run";
  const std::string stop_when_training = "sh -c '\"$@\" & while [ ! -s " + run +
                                         "/metrics.csv ]; do sleep 0.1; done; "
                                         "kill -TERM $!; wait $!' sh";
  const auto stopped =
      run_program(kToyRun + ("--training.steps 1000000 --run.dir " + run), stop_when_training);
  INFO(stopped.output);
  REQUIRE(stopped.code == 143);
  REQUIRE_THAT(stopped.output, Contains("--resume"));
  REQUIRE_FALSE(fs::is_empty(run + "/checkpoints"));
}

TEST_CASE("config.ini of a run reads back to an equal configuration", "[cli][roundtrip]") {
  const TemporaryDirectory dir;
  succeeds(kToyRun + ("--training.steps 2 --run.dir " + dir / "a"));
  succeeds("train --config " + dir / "a/config.ini" + " --run.dir " + dir / "b");
  auto a = slurp(dir / "a/config.ini");
  a.replace(a.find("dir = "), a.find('\n', a.find("dir = ")) - a.find("dir = "),
            "dir = " + dir / "b");
  REQUIRE(a == slurp(dir / "b/config.ini"));
  REQUIRE(slurp(dir / "a/checkpoints/step-00000002/ema.safetensors") ==
          slurp(dir / "b/checkpoints/step-00000002/ema.safetensors"));
}

TEST_CASE("sampling writes images that depend on seed and index only", "[cli]") {
  const TemporaryDirectory dir;
  const std::string sample =
      "sample --checkpoint toy:lowrank --sampler.name ddpm --seed 5 "
      "--sampler.steps 20 --tensors ";
  succeeds(sample + "--count 5 --batch 5 --out " + dir / "a");
  succeeds(sample + "--count 3 --batch 2 --out " + dir / "b");
  for (const char* name : {"/00000.png", "/00001.png", "/00002.png"}) {
    REQUIRE(slurp(dir / "a" + name) == slurp(dir / "b" + name));
  }
  REQUIRE(cv::imread(dir / "a/00004.png", cv::IMREAD_UNCHANGED).size() == cv::Size(8, 8));
  REQUIRE(fs::exists(dir / "a/grid.png"));
  const auto summary = nlohmann::json::parse(slurp(dir / "a/samples.json"));
  REQUIRE(summary["sampler"] == "ddpm");
  REQUIRE(summary["steps"] == 20);
  REQUIRE(summary["nfe"] == 20);
  REQUIRE(summary["seed"] == 5);
  REQUIRE(summary["checkpoint"] == "toy:lowrank");
  REQUIRE(summary["seconds"] > 0);
}

TEST_CASE("the Fisher table of a toy's exact denoiser is within its errors of the exact values",
          "[cli][oracle][statistical]") {
  const TemporaryDirectory dir;
  const auto out = succeeds(
      "fisher --checkpoint toy:lowrank --levels 6 --images 2000 --sigma_min 0.1 "
      "--sigma_max 10 --only curve --out " +
      dir / "fisher");
  REQUIRE_THAT(out, Contains("exact"));
  const auto rows = read_csv(dir / "fisher/fisher_levels.csv");
  REQUIRE(rows.size() == 7);
  const auto value = [&](size_t row, const std::string& column) {
    const auto at = std::find(rows[0].begin(), rows[0].end(), column);
    REQUIRE(at != rows[0].end());
    return std::stod(rows[row][static_cast<size_t>(at - rows[0].begin())]);
  };
  for (size_t row = 1; row < rows.size(); ++row) {
    const double exact = value(row, "fisher_info_exact");
    for (const std::string kind : {"exp", "stein", "obs", "low"}) {
      INFO(kind << " at sigma " << value(row, "sigma"));
      REQUIRE(std::abs(value(row, "fisher_info_" + kind) - exact) <
              5 * value(row, "fisher_info_" + kind + "_se"));
    }
    // The Gaussian fitted to Gaussian data is the data, up to sampling.
    REQUIRE_THAT(value(row, "fisher_info_gaussian"), WithinRel(exact, 0.02));
    REQUIRE_THAT(value(row, "lmmse"), WithinRel(value(row, "eps_mse_exact"), 0.05));
    REQUIRE(std::abs(value(row, "virial_z")) < 5);
  }
  REQUIRE(fs::exists(dir / "fisher/denoising.png"));
}

TEST_CASE("a folder of mixed images trains a U-Net that samples and measures", "[cli]") {
  const TemporaryDirectory dir;
  fs::create_directories(dir / "images/sub");
  cv::RNG rng(1);
  for (int i = 0; i < 24; ++i) {
    cv::Mat image(20 + i, 17 + 2 * i, i % 3 == 0 ? CV_8UC1 : i % 3 == 1 ? CV_8UC3 : CV_8UC4);
    rng.fill(image, cv::RNG::UNIFORM, 0, 256);
    cv::imwrite(dir / ("images/" + std::string(i % 2 ? "sub/" : "") + std::to_string(i) + ".png"),
                image);
  }
  spill(dir / "images/broken.png", "\x89PNG\r\n\x1a\nno more");
  const auto train = "train --data.path " + dir / "images" +
                     " --data.size 8 --model.unet.channels 8 --model.unet.channel_mult 1,2 "
                     "--model.unet.blocks 1 --model.unet.norm_groups 4 --training.batch 8 "
                     "--training.steps 4 --run.sample_count 4 --fisher.levels 2 --fisher.images 4 "
                     "--run.threads 1 --run.dir " +
                     dir / "run";
  REQUIRE_THAT(succeeds(train), Contains("broken.png") && Contains("24 images of 3x8x8"));
  succeeds("sample --count 2 --sampler.steps 2 --checkpoint " + dir / "run" + " --out " +
           dir / "s");
  succeeds("fisher --levels 2 --images 4 --checkpoint " + dir / "run" + " --out " + dir / "f");
  for (const char* name : {"/00001.png", "/grid.png"}) {
    REQUIRE_FALSE(cv::imread(dir / "s" + name).empty());
  }
  const auto refused = run_program(train + "2 --data.strict");
  REQUIRE(refused.code == 2);
  REQUIRE_THAT(refused.output, Contains("broken.png"));
}
