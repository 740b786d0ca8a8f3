#include <sys/resource.h>

#include <nlohmann/json.hpp>

#include "io/safetensors.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const std::string kToy = "restore --checkpoint toy:gaussian --run.threads 1 ";

}  // namespace

TEST_CASE("restore writes draws, their figures and a picture", "[cli][restore]") {
  const TemporaryDirectory dir;
  for (const std::string method : {"pigdm", "dps", "ddrm", "repaint"}) {
    INFO(method);
    const auto out = dir / method;
    const auto outcome = run_program(kToy + "--images 3 --samples 2 --method " + method +
                                     " --sampler.steps 8 --out " + out);
    INFO(outcome.output);
    REQUIRE(outcome.code == 0);
    const auto json = nlohmann::json::parse(slurp(out + "/restore.json"));
    CHECK(json.at("method") == method);
    CHECK(json.at("psnr_mean").at("n") == 3);
    CHECK(json.at("nfe") > 0);
    CHECK(std::filesystem::exists(out + "/restored.png"));
    CHECK(std::filesystem::exists(out + "/restored.safetensors"));
  }
}

TEST_CASE("measurements have the noise that is asked for", "[cli][restore][statistical]") {
  const TemporaryDirectory dir;
  // So narrow a blur changes nothing.
  const auto outcome = run_program(kToy +
                                   "--task deblur --deblur.width 0.1 --images 500 --samples 1 "
                                   "--method ddrm --sampler.steps 2 --noise 0.3 --out " +
                                   dir / "r");
  INFO(outcome.output);
  REQUIRE(outcome.code == 0);
  const auto tensors = read_safetensors(dir / "r/restored.safetensors").tensors;
  const auto noise = tensors.at("y") - tensors.at("truth");
  const auto numbers = static_cast<double>(noise.numel());
  REQUIRE_THAT(noise.std().item<double>(), WithinRel(0.3, 5 / std::sqrt(2 * numbers)));
}

TEST_CASE("restore draws the same in any batches, and measures it the same", "[cli][restore]") {
  const TemporaryDirectory dir;
  const auto restored = [&](const std::string& batch) {
    const auto out = dir / batch;
    const auto outcome = run_program(kToy + "--images 11 --samples 3 --method ddrm --seed 5 " +
                                     "--sampler.steps 8 --batch " + batch + " --out " + out);
    INFO(outcome.output);
    REQUIRE(outcome.code == 0);
    return std::pair(read_safetensors(out + "/restored.safetensors").tensors,
                     nlohmann::json::parse(slurp(out + "/restore.json")));
  };
  const auto [whole, summary] = restored("33");
  REQUIRE(whole.at("samples").sizes() == torch::IntArrayRef({11, 3, 1, 1, 4}));
  REQUIRE(summary["nfe"] == 8);
  for (const std::string batch : {"2", "7"}) {  // less than an image's draws, and two images'
    INFO(batch);
    const auto [parts, told] = restored(batch);
    for (const auto& [name, tensor] : whole) {
      REQUIRE((parts.at(name) - tensor).abs().max().item<double>() < 1e-5);
    }
    for (const auto* figure :
         {"psnr_measurement", "psnr_sample", "psnr_mean", "residual", "error_of_mean", "spread"}) {
      CAPTURE(figure);
      REQUIRE(told[figure]["n"] == 11);
      for (const auto* part : {"value", "se"}) {
        REQUIRE_THAT(told[figure][part].get<double>(),
                     WithinRel(summary[figure][part].get<double>(), 1e-4));
      }
    }
    REQUIRE(told["nfe"] == 8);
    REQUIRE(slurp(dir / batch + "/restored.png") == slurp(dir / "33/restored.png"));
  }
}

TEST_CASE("what restore keeps in memory does not grow with the draws", "[cli][restore][property]") {
  const TemporaryDirectory dir;
  const auto peak = [&](const std::string& images) {
    const auto outcome = run_program(
        "restore --checkpoint toy:mixture --method ddrm --sampler.steps 1 --samples "
        "1000 --batch 1000 --run.threads 1 --images " +
        images + " --out " + dir / "r");
    INFO(outcome.output);
    REQUIRE(outcome.code == 0);
    rusage usage{};
    ::getrusage(RUSAGE_CHILDREN, &usage);
    return usage.ru_maxrss;  // of the largest of all so far, in KiB
  };
  const auto few = peak("20");
  REQUIRE(peak("500") < few + 8192);  // whose draws are 32 MB
}

TEST_CASE("restore refuses what does not fit", "[cli][restore][error]") {
  refuses(kToy + "--task inpant", {"--task", "'inpaint'"});
  refuses(kToy + "--method ddrn", {"--method", "'ddrm'"});
  refuses(kToy + "--task deblur --method repaint", {"repaint", "inpaint"});
  refuses(kToy + "--task colourise", {"colourise", "1 channel"});
  refuses(kToy + "--task superresolve --superresolve.factor 3", {"superresolve.factor", "3"});
  refuses(kToy + "--method ddrm --sampler.name heun", {"sampler.name", "ddrm"});
  refuses(kToy + "--degraded", {"--degraded", "--input"});
  refuses(kToy + "--noise -1", {"--noise", "-1"});
  refuses(kToy + "--inpaint.mask /nowhere.png", {"/nowhere.png"});
}
