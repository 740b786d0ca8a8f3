#include "io/csv_reader.h"

#include <cmath>

#include "core/error.h"
#include "tests/io/io_test.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const std::vector<std::vector<Cell>> kRows = {
    {1.0, std::string("plain"), Cell()},
    {-2.5e-30, std::string("a, \"b\"\r\nc"), std::string("d")},
    {std::nan(""), std::string(" "), INFINITY},
};

}  // namespace

TEST_CASE("a table that was written reads back to the same cells", "[io][roundtrip]") {
  const TemporaryDirectory folder;
  write_csv(folder / "x.csv", {{"step", "a name", "with, comma"}, kRows});
  const auto table = read_csv(folder / "x.csv");
  REQUIRE(table.columns == std::vector<std::string>{"step", "a name", "with, comma"});
  REQUIRE(table.rows.size() == kRows.size());
  REQUIRE((table.rows[0] == kRows[0]));
  REQUIRE((table.rows[1] == kRows[1]));
  REQUIRE(std::isnan(std::get<double>(table.rows[2][0])));
  REQUIRE((table.rows[2][2] == Cell(INFINITY)));
}

TEST_CASE("columns are read by name and those that are missing are empty", "[io][property]") {
  const TemporaryDirectory folder;
  put(folder / "x.csv", "step,split,loss\r\n1,test,\r\n2,\"3\",0.5\r\n3,half");
  const auto table = read_csv(folder / "x.csv");
  REQUIRE(table.rows.size() == 2);  // the third is still being written
  const auto loss = column_numbers(table, "loss");
  REQUIRE(std::isnan(loss[0]));
  REQUIRE(loss[1] == 0.5);
  REQUIRE(column_texts(table, "split") == std::vector<std::string>{"test", "3"});
  REQUIRE(std::isnan(column_numbers(table, "split")[1]));  // quoted: a text
  REQUIRE(column_texts(table, "none") == std::vector<std::string>{"", ""});
  REQUIRE(std::isnan(column_numbers(table, "none")[0]));
}

TEST_CASE("a table whose header is still being written is empty", "[io]") {
  const TemporaryDirectory folder;
  for (const char* text : {"", "step", "step,loss"}) {
    put(folder / "x.csv", text);
    const auto table = read_csv(folder / "x.csv");
    CHECK(table.columns.empty());
    CHECK(table.rows.empty());
  }
}

TEST_CASE("a damaged table is refused by file and line", "[io][error]") {
  const TemporaryDirectory folder;
  const auto path = folder / "x.csv";
  const auto refuses = [&](const std::string& text, const std::string& line) {
    put(path, text);
    REQUIRE_THROWS_WITH(read_csv(path), Contains("x.csv") && Contains(line));
  };
  refuses("a,b\n1,2\n1,2,3\n", "line 3");
  refuses("a,b\n1\n", "line 2");
  refuses("a,b\n1,\"2\n3,4\n", "line 2");
  refuses("a,b\n\"x\ny\",2\n1,\"2\"3\n", "line 4");
  REQUIRE_THROWS_AS(read_csv(folder / "none.csv"), FileError);
}

TEST_CASE("a column that is not there is refused by the nearest name", "[io][error]") {
  Table table{.columns = {"sigma", "eps_mse"}};
  REQUIRE(column_index(table, "eps_mse", "x.csv") == 1);
  REQUIRE_THROWS_WITH(column_index(table, "eps_nse", "x.csv"),
                      Contains("x.csv") && Contains("'eps_mse'"));
}
