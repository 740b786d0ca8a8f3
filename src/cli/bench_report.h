#pragma once

#include <nlohmann/json_fwd.hpp>

#include "cli/bench_job.h"
#include "io/table.h"

namespace halcyon {

/// The rows for people: rates, shares of the ceilings, memory and spread.
Table bench_table(const BenchJob& job);

/// The slowest operators of some work and the share of the time that each took.
Table operator_table(const Profile& profile);

/// The rows for programs, in SI units, with the machine and the network.
nlohmann::ordered_json bench_json(const BenchJob& job);

}  // namespace halcyon
