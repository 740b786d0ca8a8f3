#pragma once

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <map>
#include <string>

#include "core/random.h"
#include "fisher/sample_moments.h"
#include "tests/support/catch.h"

namespace halcyon::testing {

/// How often the truth is within 1.96 standard errors of the value.
class Coverage {
 public:
  static constexpr int64_t kRepetitions = 400;

  void add(const std::string& name, const Estimate& estimate, double truth) {
    const double z = (estimate.value - truth) / estimate.standard_error;
    auto& row = rows_[name];
    row.repetitions += 1;
    row.covered += std::abs(z) < 1.96 ? 1 : 0;
    row.z_squares += z * z;
  }

  /// The same of a number that claims to have a spread of 1 around 0.
  void add_z(const std::string& name, double z) { add(name, {z, 1, 1}, 0); }

  /// Prints the table.  95 % of 400 repetitions have a standard deviation of 1.1 %: 92 to 98 % is
  /// within 2.75 of it.
  void require() const {
    for (const auto& [name, row] : rows_) {
      fmt::print("  {:<44} {:5.1f} %   rms z {:.2f}\n", name, row.percent(),
                 std::sqrt(row.z_squares / static_cast<double>(row.repetitions)));
    }
    for (const auto& [name, row] : rows_) {
      INFO(name << ": " << row.percent() << " %");
      REQUIRE(row.repetitions == kRepetitions);
      REQUIRE(row.percent() >= 92);
      REQUIRE(row.percent() <= 98);
    }
  }

 private:
  struct Row {
    int64_t repetitions = 0;
    int64_t covered = 0;
    double z_squares = 0;

    double percent() const {
      return 100.0 * static_cast<double>(covered) / static_cast<double>(repetitions);
    }
  };

  std::map<std::string, Row> rows_;
};

/// 400 seeded repetitions of `once`, each with random numbers of its own.
inline void repeat(const char* stream, const std::function<void(at::Generator&)>& once) {
  for (int64_t repetition = 0; repetition < Coverage::kRepetitions; ++repetition) {
    auto rng = make_generator(2026, stream, repetition);
    once(rng);
  }
}

}  // namespace halcyon::testing
