#include "core/log_sigma_table.h"

#include <limits>

#include "core/error.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("a table over sigma is linear in ln sigma between its levels and constant outside",
          "[core][oracle]") {
  // a + b ln sigma on three levels, so that the table is that function between them.
  const auto line = [](double sigma) { return 0.7 - 0.2 * std::log(sigma); };
  const LogSigmaTable table({{0.1, line(0.1)}, {0.3, line(0.3)}, {5, line(5)}});
  for (const double sigma : {0.1, 0.11, 0.2, 0.3, 1.0, 4.9, 5.0}) {
    REQUIRE_THAT(table.at(sigma), WithinAbs(line(sigma), 1e-14));
  }
  REQUIRE(table.at(0.01) == line(0.1));
  REQUIRE(table.at(80) == line(5));

  const auto sigma = torch::tensor({{0.02, 0.2}, {1.0, 70.0}}, torch::kFloat64);
  const auto expected =
      torch::tensor({{line(0.1), line(0.2)}, {line(1), line(5)}}, torch::kFloat64);
  REQUIRE(torch::allclose(table.at(sigma), expected, 1e-14));
  const auto single = table.at(sigma.t().to(torch::kFloat32));
  REQUIRE(single.scalar_type() == torch::kFloat32);
  REQUIRE(torch::allclose(single.t(), expected.to(torch::kFloat32)));
}

TEST_CASE("a table over sigma wants finite numbers at increasing levels", "[core][error]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  REQUIRE_THROWS_AS(LogSigmaTable({}), ConfigError);
  REQUIRE_THROWS_WITH(LogSigmaTable({{1, 2}, {1, 3}}), Contains("sigma = 1 after sigma = 1"));
  REQUIRE_THROWS_AS(LogSigmaTable({{0, 1}}), ConfigError);
  REQUIRE_THROWS_AS(LogSigmaTable({{nan, 1}}), ConfigError);
  REQUIRE_THROWS_WITH(LogSigmaTable({{1, nan}}), Contains("nan at sigma = 1"));
}
