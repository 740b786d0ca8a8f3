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

/// The cells of the row of a table of runs; empty if there is none.
std::vector<std::string> row_named(const std::string& page, const std::string& name) {
  const auto begin = page.find("<td class=\"name\">" + name + "</td>");
  if (begin == std::string::npos) return {};
  const auto row = page.substr(begin, page.find("</tr>", begin) - begin);
  const std::regex cell("<td>([^<]*)</td>");
  std::vector<std::string> cells;
  for (std::sregex_iterator it(row.begin(), row.end(), cell), end; it != end; ++it) {
    cells.push_back((*it)[1]);
  }
  return cells;
}

using Cells = std::vector<std::string>;

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
  // The film, whose frames are as many as it says.
  const std::regex film("<div style=\"--frames:(\\d+);--moves:(\\d+)\"><img src=\"data:image/png");
  std::smatch found;
  REQUIRE(std::regex_search(page, found, film));
  REQUIRE(std::stoi(found[1]) == std::stoi(found[2]) + 1);
  REQUIRE_THAT(page, Contains("prefers-reduced-motion: no-preference"));
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
  spill(run + "/samples/film.safetensors", "no film");
  spill(run + "/distance.json",
        R"({"samples": 1, "metrics": {"<b>": {"value": 1, "se": 2, "n": 3}}})");
  report("'" + run + "'");
  const auto page = without_pictures(slurp(run + "/report.html"));
  REQUIRE_THAT(page, Contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp;"));
  REQUIRE_THAT(page, Contains("<h1>it&lt;b&gt;&quot;s&amp;amp;</h1>"));
  REQUIRE_THAT(page, Contains("&lt;u&gt; weights"));
  REQUIRE_THAT(page, Contains("is not a PNG picture"));
  require_nested(page);
  report("'" + run + "' '" + run + "' --out " + dir / "page.html");
  const auto comparison = without_pictures(slurp(dir / "page.html"));
  REQUIRE_THAT(comparison, Contains("it&lt;b&gt;&quot;s&amp;amp;") && !Contains("<u>"));
  require_nested(comparison);
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

TEST_CASE("a page of several runs shows their figures and the settings that differ", "[cli]") {
  const TemporaryDirectory dir;
  REQUIRE(run_program(kTinyRun + (dir / "slow")).code == 0);
  REQUIRE(run_program(kTinyRun + (dir / "fast") + " --optimizer.learning_rate 0.002").code == 0);
  const auto output = report(dir / "slow" + " " + dir / "fast" + " --out " + dir / "page.html");
  REQUIRE_THAT(output, Contains(dir / "page.html"));
  const auto page = without_pictures(slurp(dir / "page.html"));
  require_self_contained(page);
  require_nested(page);
  REQUIRE_THAT(page, Contains("<h1>2 runs</h1>") && Contains("slow · fast"));
  REQUIRE_THAT(page, Contains("</i>slow</th>") && Contains("</i>fast</th>"));
  REQUIRE(row_named(page, "step") == Cells{"40", "40"});
  REQUIRE(row_named(page, "<code>optimizer.learning_rate</code>").back() == "0.002");
  const std::regex key("<td class=\"name\"><code>");
  REQUIRE(std::distance(std::sregex_iterator(page.begin(), page.end(), key), {}) == 1);
  REQUIRE_THAT(page, Contains("<b>slow</b>, step 40") && Contains("<b>fast</b>, step 40"));
  for (const char* part : {"Loss over steps", "Loss over images", "Loss over seconds",
                           "Observed Fisher information", "Calibration"}) {
    REQUIRE_THAT(page, Contains(std::string("<b>") + part));
  }
}

TEST_CASE("figures of several runs are those of their files", "[cli]") {
  const TemporaryDirectory dir;
  for (const char* name : {"a", "b/a", "c"}) fs::create_directories(dir / name);
  spill(dir / "a/metrics.csv", "step,loss,loss_se,seconds\n1,9,1,5\n2,0.5,0.02,7\n3,0.25,0.02,2\n");
  const std::string levels =
      "step,split,weights,sigma,n,fisher_info_obs,fisher_info_obs_se,"
      "score_calibration,score_calibration_se\n";
  spill(dir / "a/fisher_levels.csv", levels +
                                         "3,test,ema,0.5,8,31,0.5,0.9,0.01\n"
                                         "3,test,ema,2,8,4,0.1,1.01,0.01\n");
  spill(dir / "b/a/fisher_levels.csv", levels + "7,test,ema,2,8,5,0.2,1.2,0.01\n");
  spill(dir / "c/config.ini", "[run]\nseed = 1\n");
  spill(
      dir / "c/evaluation.json",
      R"({"samples": "s", "count": 9, "metrics": {"distance": {"value": 1.5, "se": 0.25, "n": 9}}})");
  spill(dir / "c/other.json", R"({"metrics": {"distance": {"value": 3, "se": 1, "n": 9}}})");
  report(dir / "a" + " " + dir / "b/a" + " " + dir / "c" + " --out " + dir / "page.html");
  const auto page = without_pictures(slurp(dir / "page.html"));
  require_nested(page);
  REQUIRE_THAT(page, Contains("</i>" + dir / "a" + "</th>"));  // runs of one name
  REQUIRE_THAT(page, Contains("</i>" + dir / "b/a" + "</th>") && Contains("</i>c</th>"));
  REQUIRE(row_named(page, "training loss, last interval") == Cells{"0.25 ± 0.02", "–", "–"});
  REQUIRE(row_named(page, "training time (s)") == Cells{"9", "–", "–"});  // 7, and 2 resumed
  REQUIRE(row_named(page, "worst calibration c*") ==
          Cells{"0.9 ± 0.01 at σ = 0.5", "1.2 ± 0.01 at σ = 2", "–"});
  REQUIRE(row_named(page, "0.5") == Cells{"31 ± 0.5", "–", "–"});
  REQUIRE(row_named(page, "2") == Cells{"4 ± 0.1", "5 ± 0.2", "–"});
  REQUIRE(row_named(page, "distance") == Cells{"–", "–", "1.5 ± 0.2"});
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
  refuses("", "want a run directory");
  spill(dir / "fisher_levels.csv", "step,sigma\n1\n");
  refuses(dir.string(), "fisher_levels.csv, line 2");
  spill(dir / "fisher_levels.csv", "step,sigma\n1,1\n");
  refuses(dir.string() + " stray", "stray");
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
