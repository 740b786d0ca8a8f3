#include "cli/sample_stream.h"

#include <sys/resource.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/batch_choice.h"
#include "core/error.h"
#include "core/gaussian_mixture.h"
#include "io/safetensors.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

namespace fs = std::filesystem;

/// Ten batches, of some hundredths of a second each.
const char* const kSlow =
    "sample --checkpoint toy:lowrank --count 30 --batch 3 --seed 4 --sampler.name ddpm "
    "--sampler.steps 200 --run.threads 1 ";

/// Runs the command and sends it `signal` once the state file tells of a finished batch.
Outcome stopped(const std::string& arguments, const std::string& signal, const std::string& state) {
  return run_program(arguments, "sh -c '\"$@\" & while kill -0 $! && ! grep -qs \"done.: [1-9]\" " +
                                    state + "; do sleep 0.01; done; kill -" + signal +
                                    " $!; wait $!' sh");
}

/// The bytes of every file below a folder, but for the time that a summary tells.
std::map<std::string, std::string> contents(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    auto bytes = slurp(entry.path());
    if (entry.path().extension() == ".json") {
      auto summary = nlohmann::json::parse(bytes);
      summary.erase("seconds");
      bytes = summary.dump();
    }
    files[fs::relative(entry.path(), folder)] = bytes;
  }
  return files;
}

struct Target {
  const char* out;
  const char* more;
  const char* state;
};

torch::Tensor samples_in(const std::string& path) {
  return read_safetensors(path).tensors.at("samples");
}

}  // namespace

TEST_CASE("a stream that is killed goes on to the same files", "[cli][roundtrip]") {
  const auto target = GENERATE(Target{"/s", "--tensors ", "/s/unfinished.json"},
                               Target{"/s.zip", "", "/s.zip.part/unfinished.json"},
                               Target{"/s.safetensors", "", "/s.safetensors.part/unfinished.json"});
  const TemporaryDirectory dir;
  const auto line = kSlow + (target.more + ("--out " + dir.string()));
  succeeds(line + "/whole" + target.out);
  const auto out = "/parts" + std::string(target.out);
  const auto state = dir.string() + "/parts" + target.state;
  const auto killed = stopped(line + out, "KILL", state);
  INFO(killed.output);
  REQUIRE(killed.code == 137);
  REQUIRE(fs::exists(state));
  for (const auto& entry : fs::directory_iterator(dir / "parts")) {
    REQUIRE(entry.path() != dir.string() + "/parts/s.zip");
    REQUIRE(entry.path() != dir.string() + "/parts/s.safetensors");
  }
  REQUIRE_THAT(succeeds(line + out), Contains("going on after"));
  REQUIRE(contents(dir / "whole") == contents(dir / "parts"));
}

TEST_CASE("of two processes that write to one place the second is refused, and harms nothing",
          "[cli][error]") {
  const auto target = GENERATE(Target{"/s", "--tensors ", "/s/unfinished.json"},
                               Target{"/s.zip", "", "/s.zip.part/unfinished.json"},
                               Target{"/s.safetensors", "", "/s.safetensors.part/unfinished.json"});
  const TemporaryDirectory dir;
  const auto line = kSlow + (target.more + ("--out " + dir.string()));
  succeeds(line + "/whole" + target.out);
  const auto state = dir.string() + "/parts" + target.state;
  // The first is held still while the second tries.
  const auto both = run_program(
      line + "/parts" + target.out,
      "sh -c '\"$@\" & while kill -0 $! && ! grep -qs \"done.: [1-9]\" " + state +
          "; do sleep 0.01; done; kill -STOP $!; \"$@\"; echo second: $?; kill -CONT $!; wait $!' "
          "sh");
  INFO(both.output);
  REQUIRE(both.code == 0);
  REQUIRE_THAT(both.output, Contains("second: 2") && Contains("another process") &&
                                Contains(dir / "parts/") && Contains(".lock"));
  REQUIRE(contents(dir / "whole") == contents(dir / "parts"));
}

TEST_CASE("SIGTERM stops a stream in the middle of a batch and keeps those before",
          "[cli][roundtrip]") {
  const TemporaryDirectory dir;
  const auto line = kSlow + ("--out " + dir / "parts");
  const auto outcome = stopped(line, "TERM", dir / "parts/unfinished.json");
  INFO(outcome.output);
  REQUIRE(outcome.code == 143);
  REQUIRE_THAT(outcome.output, Contains("of 30 images; the same command goes on"));
  // Neither the machine's threads nor a batch that is left open are anyone's other options.
  succeeds(line + " --batch 0 --run.threads 2");
  succeeds(kSlow + ("--out " + dir / "whole"));
  REQUIRE(contents(dir / "whole") == contents(dir / "parts"));
}

TEST_CASE("an unfinished stream of other options is refused by the option", "[cli][error]") {
  const TemporaryDirectory dir;
  const auto line = kSlow + ("--out " + dir / "s");
  stopped(line, "KILL", dir / "s/unfinished.json");
  const auto before = contents(dir / "s");
  const auto refused = [&](const std::string& more, const std::string& message) {
    const auto outcome = run_program(line + more);
    INFO(outcome.output);
    REQUIRE(outcome.code == 2);
    REQUIRE_THAT(outcome.output, Contains(message));
  };
  refused(" --seed 5", "seed: found '4', wanted '5'");
  refused(" --count 40", "count: found '30', wanted '40'");
  refused(" --batch 4", "batch: found 3, wanted 4");
  refused(" --sampler.steps 20", "sampler.steps: found '200', wanted '20'");
  refused(" --checkpoint toy:mixture", "checkpoint: found 'toy:lowrank', wanted 'toy:mixture'");
  REQUIRE(contents(dir / "s") == before);
  spill(dir / "s/unfinished.json", "{");
  refused("", "unfinished.json");
}

TEST_CASE("a stream that finished no image stands in nobody's way", "[cli][error]") {
  const auto out = GENERATE(as<std::string>{}, "/s", "/s.zip", "/s.safetensors");
  const TemporaryDirectory dir;
  const std::string line = "sample --checkpoint toy:mixture --count 3 --run.threads 1 --out " +
                           dir.string() + out + " --sampler.name euler_ancestral ";
  const auto refused = run_program(line + "--sampler.sigma_max 1e9");
  INFO(refused.output);
  REQUIRE(refused.code == 2);
  REQUIRE_THAT(refused.output, Contains("noise levels in 2^-24 .. 2^24"));
  succeeds(line + "--sampler.steps 4 --batch 2");
}

TEST_CASE("a stream that goes on shows the way of its first images if it is now asked to",
          "[cli][roundtrip]") {
  const TemporaryDirectory dir;
  const auto line = kSlow + ("--out " + dir.string());
  succeeds(line + "/whole/s.zip --trajectory 2");
  const auto killed =
      stopped(line + "/parts/s.zip", "KILL", dir / "parts/s.zip.part/unfinished.json");
  REQUIRE(killed.code == 137);
  REQUIRE_FALSE(fs::exists(dir / "parts/s.trajectory.png"));
  REQUIRE_THAT(succeeds(line + "/parts/s.zip --trajectory 2"), Contains("going on after"));
  REQUIRE(contents(dir / "whole") == contents(dir / "parts"));
  succeeds("sample --checkpoint toy:mixture --count 2 --sampler.steps 3 --out " +
           dir / "parts/s.zip");  // whose way was not asked for
  REQUIRE_FALSE(fs::exists(dir / "parts/s.trajectory.png"));
}

TEST_CASE("a finished stream is replaced and leaves nothing of its own", "[cli]") {
  const TemporaryDirectory dir;
  const auto line =
      "sample --checkpoint toy:mixture --sampler.steps 4 --run.threads 1 --out " + dir / "s ";
  succeeds(line + "--count 70 --seed 1 --tensors");
  spill(dir / "s/mine.png", "kept");
  succeeds(line + "--count 3 --seed 2");
  std::set<std::string> names;
  for (const auto& [name, bytes] : contents(dir / "s")) names.insert(name);
  REQUIRE(names == std::set<std::string>{"00000.png", "00001.png", "00002.png", "grid.png",
                                         "mine.png", "samples.json"});
}

TEST_CASE("image k of a seed is the same in batches of 3, of 5 and of 7", "[cli][property]") {
  const TemporaryDirectory dir;
  const auto run = dir / "run";
  succeeds(
      "train --data.path toy:mixture --data.limit 200 --model.name mlp --model.mlp.width 8 "
      "--model.mlp.depth 1 --training.batch 16 --run.sample_every 0 --run.fisher_every 0 "
      "--run.threads 1 --training.steps 2 --run.dir " +
      run);
  for (const auto& model : {std::string("toy:mixture"), run}) {
    std::vector<torch::Tensor> drawn;
    for (const std::string batch : {"3", "5", "7"}) {
      const auto out = dir / (batch + ".safetensors");
      succeeds("sample --sampler.steps 8 --count 9 --run.threads 1 --checkpoint " + model +
               " --batch " + batch + " --out " + out);
      drawn.push_back(samples_in(out));
    }
    REQUIRE((drawn[0] - drawn[1]).abs().max().item<double>() < 1e-4);
    REQUIRE((drawn[0] - drawn[2]).abs().max().item<double>() < 1e-4);
  }
}

TEST_CASE("images that are not finite are named, with their seed", "[cli][error]") {
  const TemporaryDirectory dir;
  const auto outcome = run_program(
      "sample --checkpoint toy:mixture --count 4 --seed 9 --run.threads 1 --sampler.name langevin "
      "--sampler.langevin.step 3.999 --sampler.sigma_max 1e38 --sampler.steps 3 --out " +
      dir / "s");
  INFO(outcome.output);
  REQUIRE(outcome.code == 1);
  REQUIRE_THAT(outcome.output, Contains("image 0 of seed 9 is not finite"));
}

TEST_CASE("the image that is not finite is named whatever its batch", "[cli][error]") {
  // 1e38 n is beyond float32 where n > 3.4, which is in one of a hundred images.
  const TemporaryDirectory dir;
  const auto named = [&](const std::string& batch) {
    const auto outcome = run_program(
        "sample --checkpoint toy:mixture --count 600 --seed 9 --run.threads 1 --sampler.name euler "
        "--sampler.sigma_max 1e38 --sampler.steps 2 --batch " +
        batch + " --out " + dir / batch);
    INFO(outcome.output);
    REQUIRE(outcome.code == 1);
    return outcome.output.substr(outcome.output.find("image "));
  };
  const auto name = named("600");
  REQUIRE_THAT(name, Contains("of seed 9 is not finite") && !Contains("image 0 "));
  REQUIRE(named("1") == name);
}

TEST_CASE("a disk that fills up stops the stream with the file and the reason", "[cli][error]") {
  const TemporaryDirectory dir;
  const auto outcome =
      run_program(kSlow + ("--out " + dir / "s.safetensors"), "trap \"\" XFSZ; ulimit -f 1;");
  INFO(outcome.output);
  REQUIRE(outcome.code == 2);
  REQUIRE_THAT(outcome.output, Contains("s.safetensors") && Contains("File too large"));
  REQUIRE_FALSE(fs::exists(dir / "s.safetensors"));
  const auto pointless =
      run_program("sample --checkpoint toy:mixture --tensors --out " + dir / "s.zip");
  REQUIRE(pointless.code == 2);
  REQUIRE_THAT(pointless.output, Contains("--tensors"));
}

TEST_CASE("what fails on the writing thread ends the program with the file's name",
          "[cli][error]") {
  const TemporaryDirectory dir;
  fs::create_directories(dir / "s/00007.png");  // where an image is to go
  const auto outcome = run_program(kSlow + ("--out " + dir / "s"));
  INFO(outcome.output);
  REQUIRE(outcome.code == 2);
  REQUIRE_THAT(outcome.output, Contains("s/00007.png") && Contains("directory"));
  REQUIRE(fs::exists(dir / "s/00005.png"));
  fs::remove(dir / "s/00007.png");
  REQUIRE_THAT(succeeds(kSlow + ("--out " + dir / "s")), Contains("going on after 6 of 30"));
}

TEST_CASE("no failure to write is passed over, and the grid shows the first 256", "[cli][error]") {
  const TemporaryDirectory dir;
  const std::string line = "sample --checkpoint toy:mixture --sampler.steps 1 --run.threads 1 ";
  fs::create_directories(dir / "s/00300.png");
  const auto outcome = run_program(line + "--count 301 --batch 301 --out " + dir / "s");
  INFO(outcome.output);
  REQUIRE(outcome.code == 2);
  REQUIRE_THAT(outcome.output, Contains("s/00300.png"));
  fs::remove(dir / "s/00300.png");
  succeeds(line + "--count 301 --batch 301 --out " + dir / "s");
  succeeds(line + "--count 256 --batch 256 --out " + dir / "few");
  REQUIRE(slurp(dir / "s/grid.png") == slurp(dir / "few/grid.png"));
}

TEST_CASE("a stream that goes on sums up time and evaluations", "[cli][roundtrip]") {
  const TemporaryDirectory dir;
  const auto line = kSlow + ("--out " + dir / "s");
  fs::create_directories(dir / "s/00007.png");
  REQUIRE(run_program(line).code == 2);
  auto state = nlohmann::ordered_json::parse(slurp(dir / "s/unfinished.json"));
  REQUIRE(state["done"] == 6);
  REQUIRE(state["evaluations"] == 6 * 200);
  state["evaluations"] = 6 * 200 + 15;
  state["seconds"] = 1000;
  spill(dir / "s/unfinished.json", state.dump());
  fs::remove(dir / "s/00007.png");
  succeeds(line);
  const auto summary = nlohmann::json::parse(slurp(dir / "s/samples.json"));
  REQUIRE(summary["nfe"] == 200.5);
  REQUIRE(summary["seconds"] > 1000);
}

TEST_CASE("other weights or other start images of the same names are noticed", "[cli][error]") {
  const TemporaryDirectory dir;
  const auto train = [&](const std::string& seed) {
    fs::remove_all(dir / "run");
    succeeds(
        "train --data.path toy:mixture --data.limit 200 --model.name mlp --model.mlp.width 8 "
        "--model.mlp.depth 1 --training.batch 16 --run.sample_every 0 --run.fisher_every 0 "
        "--run.threads 1 --training.steps 2 --run.seed " +
        seed + " --run.dir " + dir / "run");
  };
  const auto stopped_after_two = [&](const std::string& name, const std::string& more) {
    fs::create_directories(dir / (name + "/00003.png"));
    const auto line =
        "sample --batch 2 --sampler.steps 2 --run.threads 1 " + more + " --out " + dir / name;
    REQUIRE(run_program(line).code == 2);
    fs::remove(dir / (name + "/00003.png"));
    return line;
  };
  const auto refuses = [](const std::string& line, const std::string& key) {
    const auto outcome = run_program(line);
    INFO(outcome.output);
    REQUIRE(outcome.code == 2);
    REQUIRE_THAT(outcome.output, Contains(key + ": found"));
  };
  train("1");
  const auto own = stopped_after_two("own", "--count 6 --checkpoint " + dir / "run");
  const auto guided = stopped_after_two(
      "guided", "--count 6 --checkpoint toy:mixture --guidance.weight 2 --guidance.checkpoint " +
                    dir / "run");
  train("2");
  refuses(own, "network");
  refuses(guided, "network of guidance");

  const std::string toy = "sample --checkpoint toy:mixture --sampler.steps 2 --out ";
  succeeds(toy + dir / "images" + " --count 6");
  const auto started = stopped_after_two(
      "started", "--checkpoint toy:mixture --start.sigma 1 --start.image " + dir / "images");
  succeeds(toy + dir / "images" + " --count 6 --seed 2");
  refuses(started, "images of start");
}

TEST_CASE("a stream looks again how far it has come once it holds its place", "[cli][roundtrip]") {
  const TemporaryDirectory dir;
  const StreamOptions options = {.out = dir / "s", .count = 4, .batch = 2, .shape = {1, 2, 2}};
  const auto draw = [](int64_t until) {
    return [until](Denoiser&, int64_t first, int64_t size) -> SampleStream::Drawn {
      if (first >= until) throw FileError("stopped");
      return {torch::zeros({size, 1, 2, 2}), 1};
    };
  };
  GaussianMixture unused(torch::ones({1}), torch::zeros({1, 4}), torch::ones({4}));
  SampleStream late(options);
  {
    SampleStream early(options);
    early.open();
    REQUIRE_THROWS_AS(early.run(2, unused, draw(2)), FileError);
  }
  REQUIRE_FALSE(late.resumed());
  late.open();
  REQUIRE(late.resumed());
  REQUIRE(late.progress().done == 2);
  late.run(2, unused, draw(4));
  REQUIRE(late.progress().done == 4);
}

TEST_CASE("memory does not grow with the number of images", "[cli][property]") {
  const TemporaryDirectory dir;
  const auto peak = [&](int64_t count) {
    succeeds("sample --checkpoint toy:mixture --sampler.steps 2 --batch 64 --run.threads 1 --out " +
             dir / "s.safetensors --count " + std::to_string(count));
    rusage usage{};
    ::getrusage(RUSAGE_CHILDREN, &usage);
    return usage.ru_maxrss;  // of the largest of all so far, in KiB
  };
  const auto few = peak(2000);
  REQUIRE(peak(20000) < few + 4096);
}

TEST_CASE("the fast batch is the last that gains more than 5 % an image", "[cli][property]") {
  const auto never = [](int64_t) -> double { throw std::logic_error("measured"); };
  REQUIRE(fast_batch(1, never) == 1);
  REQUIRE(fast_batch(64, never) == 64);
  // Seconds = overhead + images: per image the overhead falls as 1 / images.
  const auto with_overhead = [](double overhead) {
    return [=](int64_t images) { return overhead + static_cast<double>(images); };
  };
  REQUIRE(fast_batch(100000, with_overhead(0)) == 16);
  REQUIRE(fast_batch(100000, with_overhead(2)) == 64);    // 1.125, 1.031, 1.008
  REQUIRE(fast_batch(100000, with_overhead(16)) == 256);  // 2, 1.25, 1.0625, 1.016
  REQUIRE(fast_batch(100000, with_overhead(1e9)) == 4096);
  REQUIRE(fast_batch(300, with_overhead(1e9)) == 256);  // none larger than the count
  REQUIRE(fast_batch(100, [](int64_t images) { return images == 64 ? NAN : 1.0; }) == 16);
}
