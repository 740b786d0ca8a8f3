#include "io/metrics_log.h"

#include <cmath>
#include <limits>

#include "core/error.h"
#include "io/atomic_file.h"
#include "tests/io/io_test.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("a number is written as the shortest text that reads back", "[io][roundtrip]") {
  const auto nearly_third = std::nextafter(1.0 / 3, 1.0);
  for (const double x :
       {0.1, 1.0 / 3, nearly_third, 5e-324, 1.7976931348623157e308, -1e-7, 1e300}) {
    REQUIRE(std::stod(number_text(nearly_third)) == nearly_third);
    REQUIRE(std::strtod(number_text(x).c_str(), nullptr) == x);
  }
  REQUIRE(number_text(0.1) == "0.1");
  REQUIRE(number_text(100000) == "100000");
  REQUIRE(number_text(-3) == "-3");
  REQUIRE(number_text(-0.0) == "-0");
  REQUIRE(number_text(-std::nan("")) == "nan");
  REQUIRE(number_text(-std::numeric_limits<double>::infinity()) == "-inf");
}

TEST_CASE("a metrics log outlives the process and is continued by the next", "[io][roundtrip]") {
  const TemporaryDirectory folder;
  const auto csv = folder / "m.csv", jsonl = folder / "m.jsonl";
  MetricsLog first(csv, jsonl);
  first.append({{"step", 100000}, {"loss", 0.25}});
  REQUIRE(read_file(csv) == "step,loss\n100000,0.25\n");  // before the log is closed
  MetricsLog(csv, jsonl).append({{"step", 100001}, {"loss", std::nan("")}});
  REQUIRE(read_file(csv) == "step,loss\n100000,0.25\n100001,nan\n");
  REQUIRE(read_file(jsonl) ==
          "{\"step\": 100000, \"loss\": 0.25}\n{\"step\": 100001, \"loss\": null}\n");
  REQUIRE_THROWS_WITH(MetricsLog(csv, jsonl).append({{"step", 1}, {"rate", 1}}),
                      Contains(csv) && Contains("step,loss") && Contains("step,rate"));
  REQUIRE_THROWS(first.append({{"step", 1}}));
}

TEST_CASE("rows after the checkpoint are dropped when a run resumes", "[io][property]") {
  const TemporaryDirectory folder;
  const auto csv = folder / "m.csv", jsonl = folder / "m.jsonl";
  MetricsLog::truncate_after_step(csv, jsonl, 2);
  REQUIRE(names_in(folder.string()).empty());
  put(csv, "step,loss\n1,0.5\n2,0.25\n3,0.125\n1");
  put(jsonl, "{\"step\": 1}\n{\"step\": 2}\n{\"step\": 3}\n{\"step\": 1, \"lo");
  MetricsLog::truncate_after_step(csv, jsonl, 2);
  REQUIRE(read_file(csv) == "step,loss\n1,0.5\n2,0.25\n");
  REQUIRE(read_file(jsonl) == "{\"step\": 1}\n{\"step\": 2}\n");
  put(csv, "split,loss\ntest,1\n");
  REQUIRE_THROWS_WITH(truncate_csv_after_step(csv, 2), Contains(csv) && Contains("split,loss"));
}

TEST_CASE("a half-written line never merges with the next", "[io][property]") {
  const TemporaryDirectory folder;
  const auto csv = folder / "m.csv", jsonl = folder / "m.jsonl";
  put(csv, "step,lo");
  put(jsonl, "{\"st");
  MetricsLog log(csv, jsonl);
  log.append({{"step", 1}, {"loss", 2}});
  {
    const FullDisk full(read_file(csv).size() + 3);
    REQUIRE_THROWS_AS(log.append({{"step", 2}, {"loss", 3}}), FileError);
  }
  log.append({{"step", 2}, {"loss", 3}});
  REQUIRE(read_file(csv) == "step,loss\n1,2\n2,3\n");
}

TEST_CASE("one metric is read back over steps", "[io][roundtrip]") {
  const TemporaryDirectory folder;
  MetricsLog log(folder / "m.csv", folder / "m.jsonl");
  log.append({{"step", 1}, {"loss", 0.1}});
  log.append({{"step", 2}, {"loss", std::nan("")}});
  log.append({{"step", 3}, {"loss", 1e-300}});
  const std::vector<std::pair<double, double>> expected = {{1, 0.1}, {3, 1e-300}};
  REQUIRE(read_metric(folder / "m.jsonl", "loss") == expected);
  REQUIRE(read_metric(folder / "m.jsonl", "accuracy").empty());
  REQUIRE_THROWS_AS(read_metric(folder / "absent", "loss"), FileError);
}

TEST_CASE("folders are made with their parents and refused under files", "[io][error]") {
  const TemporaryDirectory folder;
  make_directory(folder / "a/b");
  make_directory(folder / "a/b");
  put(folder / "a/b/c", "text");
  REQUIRE(read_file(folder / "a/b/c") == "text");
  REQUIRE_THROWS_AS(make_directory(folder / "a/b/c/d"), FileError);
}

TEST_CASE("a table is written as CSV and as aligned text", "[io][golden]") {
  const TemporaryDirectory folder;
  const Table table{{"split", "σ", "bits_per_dim"},
                    {{"a, \"b\"", 0.002, 3.14159265}, {"test", 80.0, std::monostate()}}};
  write_csv(folder / "t.csv", table);
  append_csv(folder / "t.csv", table);
  const std::string rows = "\"a, \"\"b\"\"\",0.002,3.14159265\ntest,80,\n";
  REQUIRE(read_file(folder / "t.csv") == "split,σ,bits_per_dim\n" + rows + rows);
  REQUIRE_THROWS_AS(append_csv(folder / "t.csv", Table{{"other"}, {}}), FileError);
  REQUIRE(to_text(table) ==
          "split       σ  bits_per_dim\n"
          "a, \"b\"  0.002         3.142\n"
          "test       80             -\n");
}
