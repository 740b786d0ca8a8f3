#include <nlohmann/json.hpp>

#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon::testing;

namespace {

const std::string kToy = "restore --checkpoint toy:gaussian --run.threads 1 ";

void refuses(const std::string& arguments, std::initializer_list<std::string> parts) {
  const auto outcome = run_program(kToy + arguments);
  INFO(arguments << "\n" << outcome.output);
  REQUIRE(outcome.code == 2);
  for (const auto& part : parts) REQUIRE_THAT(outcome.output, Contains(part));
}

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

TEST_CASE("restore refuses what does not fit", "[cli][restore][error]") {
  refuses("--task inpant", {"--task", "'inpaint'"});
  refuses("--method ddrn", {"--method", "'ddrm'"});
  refuses("--task deblur --method repaint", {"repaint", "inpaint"});
  refuses("--task colourise", {"colourise", "1 channel"});
  refuses("--task superresolve --superresolve.factor 3", {"superresolve.factor", "3"});
  refuses("--method ddrm --sampler.name heun", {"sampler.name", "ddrm"});
  refuses("--degraded", {"--degraded", "--input"});
  refuses("--noise -1", {"--noise", "-1"});
  refuses("--inpaint.mask /nowhere.png", {"/nowhere.png"});
}
