#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <vector>

#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon::testing;

namespace {

namespace fs = std::filesystem;

const char* const kTinyRun =
    "train --data.path toy:mixture --data.limit 500 --model.name mlp --model.mlp.width 16 "
    "--model.mlp.depth 1 --training.batch 16 --training.steps 40 --run.log_every 5 "
    "--run.sample_every 20 --run.sample_count 4 --run.fisher_every 20 --fisher.levels 3 "
    "--fisher.images 16 --run.threads 1 --run.dir ";

std::string report(const std::string& arguments) {
  const auto outcome = run_program("report " + arguments);
  INFO(outcome.output);
  REQUIRE(outcome.code == 0);
  return outcome.output;
}

/// The names of the elements that are open after each tag of the page, checked to nest: HTML with
/// the end tags that XML asks for.
void require_nested(const std::string& page) {
  const std::set<std::string> empty = {"meta", "link", "img", "br"};
  std::vector<std::string> open;
  const std::regex tag("<(/?)([a-z0-9]+)((\\s+[a-z-]+=\"[^\"<>]*\")*)>");
  const auto begin = page.find("<html");
  const auto body = page.substr(begin);
  REQUIRE(std::count(body.begin(), body.end(), '<') ==
          std::distance(std::sregex_iterator(body.begin(), body.end(), tag), {}));
  for (std::sregex_iterator it(body.begin(), body.end(), tag), end; it != end; ++it) {
    const auto name = (*it)[2].str();
    if (empty.count(name) > 0) continue;
    if ((*it)[1].length() == 0) {
      open.push_back(name);
    } else {
      REQUIRE(!open.empty());
      REQUIRE(open.back() == name);
      open.pop_back();
    }
  }
  REQUIRE(open.empty());
}

/// The page with the bytes of its pictures left out, which regular expressions need not walk over.
std::string without_pictures(const std::string& page) {
  std::string result;
  size_t at = 0;
  for (;;) {
    const auto data = page.find(";base64,", at);
    result += page.substr(at, data == std::string::npos ? data : data - at);
    if (data == std::string::npos) return result;
    at = page.find('"', data);
  }
}

void require_self_contained(const std::string& page) {
  REQUIRE_THAT(page, !Contains("http:") && !Contains("https:") && !Contains("<script"));
  const std::regex reference("(src|href)=\"(?!data:)");
  REQUIRE_FALSE(std::regex_search(page, reference));
  REQUIRE_THAT(page, !Contains("url(") && !Contains("@import"));
}

}  // namespace

TEST_CASE("the report of a run has every section and needs no other file", "[cli]") {
  const TemporaryDirectory dir;
  const auto run = dir / "run";
  REQUIRE(run_program(kTinyRun + run).code == 0);
  REQUIRE(fs::exists(run + "/report.html"));  // written while it trained
  REQUIRE_THAT(report(run + " --out " + dir / "page.html"), Contains(dir / "page.html"));
  const auto page = without_pictures(slurp(dir / "page.html"));
  for (const char* heading :
       {"Fisher information of the data score", "Score calibration", "Information rate", "Checks",
        "Training", "Samples", "Pictures", "Settings and environment"}) {
    REQUIRE_THAT(page, Contains(std::string("<h2>") + heading + "</h2>"));
  }
  REQUIRE_THAT(page, Contains("<h1>run</h1>") && Contains("step 40, 16 test images, ema weights"));
  REQUIRE_THAT(page, Contains("toy:mixture") && Contains("program_version"));
  require_self_contained(page);
  require_nested(page);
}

TEST_CASE("a report leaves out what a run does not have and says how to make it", "[cli]") {
  const TemporaryDirectory dir;
  const auto run = dir / "run";
  REQUIRE(run_program(kTinyRun + run + " --run.sample_every 0 --run.fisher_every 0").code == 0);
  REQUIRE_FALSE(fs::exists(run + "/report.html"));
  report(run);
  const auto page = without_pictures(slurp(run + "/report.html"));
  REQUIRE_THAT(page, Contains("--run.fisher_every N") && Contains("--run.sample_every N"));
  REQUIRE_THAT(page, !Contains("<h2>Score calibration</h2>"));
  require_nested(page);
}

TEST_CASE("hostile contents of a run are shown as text", "[cli][error]") {
  const TemporaryDirectory dir;
  const std::string attack = "\"><script>alert('1')</script>&amp;";
  const auto run = dir / "it<b>\"s&amp;";
  fs::create_directories(run + "/samples");
  fs::create_directories(run + "/plots");
  spill(run + "/config.ini", "[data]\npath = " + attack + "\nhref=\"x\"\n");
  spill(run + "/environment.json", "{\"a\": \"" + attack + "\x01\"}");
  spill(run + "/fisher_levels.csv",
        "step,split,weights,sigma,n,eps_mse,score_calibration\n"
        "1,\"" +
            std::string("<i>,\"\"x\"\"") +
            "\",<u>,0.1,9,0.5,1.3\n"
            "1,\"<i>,\"\"x\"\"\",<u>,1,9,0.1,nan\n");
  spill(run + "/fisher_summary.json",
        nlohmann::json{{"step", 1000000}, {"alarms", {attack, 3}}}.dump());
  spill(run + "/fisher_spectrum.jsonl", "{\"eigenvalues\": 3}\nno json\n[]\n{\"step\": \"x\"}\n");
  spill(run + "/plots/<b>\".png", "\x89PNG no picture");
  spill(run + "/samples/step-00000001.png", "");
  report("'" + run + "'");
  const auto page = without_pictures(slurp(run + "/report.html"));
  REQUIRE_THAT(page, Contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp;"));
  REQUIRE_THAT(page, Contains("<h1>it&lt;b&gt;&quot;s&amp;amp;</h1>"));
  REQUIRE_THAT(page, Contains("&lt;u&gt; weights"));
  REQUIRE_THAT(page, Contains("is not a PNG picture"));
  require_nested(page);
}

TEST_CASE("the latest table of held-out images and EMA weights is the one that is shown", "[cli]") {
  const TemporaryDirectory dir;
  const std::string header = "step,split,weights,sigma,n,eps_mse,eps_mse_se,lmmse\n";
  spill(dir / "fisher_levels.csv",
        header +
            "9,train,raw,0.1,7,0.3,0.01,0.4\n9,train,raw,1,7,0.1,0.01,0.2\n"
            "8,test,ema,1,5,0.1,0.01,0.2\n8,test,ema,0.1,5,0.7,0.01,0.4\n"
            "4,test,ema,0.1,5,0.5,0.01,0.4\n4,test,ema,1,5,0.2,0.01,0.3\n");
  report(dir.string());
  const auto page = without_pictures(slurp(dir / "report.html"));
  REQUIRE_THAT(page, Contains("step 8, 5 test images, ema weights"));
  // The trapezoid of 0.7 and 0.1 over log2(10) octaves.
  REQUIRE_THAT(page, Contains("1.329 ± 0.03 bits/dim"));
  REQUIRE_THAT(page, Contains("train, raw, step 9"));
  // A summary of an older table says nothing of this one; one of the same step does.
  spill(dir / "fisher_summary.json", R"({"step": 4, "alarms": ["summarised"]})");
  report(dir.string());
  REQUIRE_THAT(slurp(dir / "report.html"), !Contains("summarised"));
  spill(dir / "fisher_summary.json", R"({"step": 8, "alarms": ["summarised"]})");
  report(dir.string());
  REQUIRE_THAT(slurp(dir / "report.html"), Contains("summarised"));
}

TEST_CASE("what is no run is refused by name", "[cli][error]") {
  const TemporaryDirectory dir;
  const auto refuses = [](const std::string& arguments, const std::string& part) {
    const auto outcome = run_program("report " + arguments);
    INFO(outcome.output);
    REQUIRE(outcome.code == 2);
    REQUIRE_THAT(outcome.output, Contains(part));
  };
  refuses(dir / "absent", "absent");
  refuses(dir.string(), "config.ini");
  refuses(dir.string() + " stray", "stray");
  refuses("", "usage");
  spill(dir / "fisher_levels.csv", "step,sigma\n1\n");
  refuses(dir.string(), "fisher_levels.csv, line 2");
  spill(dir / "fisher_levels.csv", "step,sigma\n1,1\n");
  refuses(dir.string() + " --out " + dir / "none/page.html", "none/page.html");
}

TEST_CASE("a browser opens the report without a message", "[cli]") {
  if (std::system("command -v chromium > /dev/null") != 0) return;
  const TemporaryDirectory dir;
  spill(dir / "fisher_levels.csv", "step,sigma,eps_mse\n1,1,0.5\n1,2,0.1\n");
  report(dir.string());
  const auto command =
      "timeout 60 chromium --headless=new --no-sandbox --disable-gpu "
      "--user-data-dir=" +
      dir / "profile" + " --enable-logging=stderr --v=0 --dump-dom file://" + dir / "report.html" +
      " > " + dir / "log" + " 2>&1";
  REQUIRE(std::system(command.c_str()) == 0);
  const auto log = slurp(dir / "log");
  REQUIRE_THAT(log, Contains("</html>") && !Contains("CONSOLE"));
}
