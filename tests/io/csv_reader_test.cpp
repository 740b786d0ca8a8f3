#include "io/csv_reader.h"

#include <cmath>
#include <limits>

#include "core/error.h"
#include "io/atomic_file.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("a table reads back from CSV as it was written", "[io][roundtrip]") {
  const TemporaryDirectory dir;
  Table table;
  table.columns = {"step", "a, b", "text"};
  table.rows = {{1.0, 0.1, std::string("plain")},
                {2.0, Cell(), std::string("a \"quoted\", text\nof two lines")},
                {-3e-300, std::numeric_limits<double>::infinity(), std::string()}};
  write_csv(dir / "t.csv", table);
  const auto read = read_csv(dir / "t.csv");
  REQUIRE((read.columns == table.columns));
  table.rows[2][2] = Cell();           // an empty text is written as nothing
  REQUIRE((read.rows == table.rows));  // a bool: glog cannot print a Cell
  REQUIRE(column_index(read, "text", "t.csv") == 2);

  write_file_atomically(dir / "nan.csv", "x,y\r\nnan,7");
  const auto other = read_csv(dir / "nan.csv");
  REQUIRE(std::isnan(std::get<double>(other.rows.at(0).at(0))));
  REQUIRE(std::get<double>(other.rows[0][1]) == 7);
}

TEST_CASE("CSV that is no table is refused by file and line", "[io][error]") {
  const TemporaryDirectory dir;
  write_file_atomically(dir / "bad.csv", "a,b\n1,2\n3\n");
  REQUIRE_THROWS_WITH(read_csv(dir / "bad.csv"), Contains("bad.csv") && Contains("line 3"));
  write_file_atomically(dir / "empty.csv", "");
  REQUIRE_THROWS_WITH(read_csv(dir / "empty.csv"), Contains("empty.csv"));
  REQUIRE_THROWS_AS(read_csv(dir / "none.csv"), FileError);
  Table table;
  table.columns = {"sigma", "eps_mse"};
  REQUIRE_THROWS_WITH(column_index(table, "sigmo", "t.csv"),
                      Contains("t.csv") && Contains("'sigmo'") && Contains("'sigma'"));
}
