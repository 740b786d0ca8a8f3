#include "cli/bench_report.h"

#include <fmt/format.h>
#include <torch/version.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "config/text_value.h"
#include "core/torch.h"
#include "io/environment.h"

namespace halcyon {
namespace {

/// Empty where there is nothing to say.
Cell number(double value) { return value == 0 ? Cell() : Cell(value); }

std::vector<std::pair<const char*, double>> shares(const BenchRow& row, const Ceilings& ceilings) {
  std::vector<std::pair<const char*, double>> found;
  const auto add = [&](const char* name, double rate, double ceiling) {
    if (rate > 0 && ceiling > 0) found.emplace_back(name, rate / ceiling);
  };
  add("fp32", row.flops / row.time.seconds, ceilings.float32);
  add("bf16", row.flops / row.time.seconds, ceilings.bfloat16);
  add("copy", row.bytes / row.time.seconds, ceilings.bytes);
  return found;
}

Cell share_text(const BenchRow& row, const Ceilings& ceilings) {
  std::string text;
  for (const auto& [name, share] : shares(row, ceilings)) {
    text += fmt::format("{}{:.0f} % {}", text.empty() ? "" : ", ", 100 * share, name);
  }
  return text.empty() ? Cell() : Cell(text);
}

nlohmann::ordered_json row_json(const BenchRow& row, const Ceilings& ceilings) {
  nlohmann::ordered_json json = {{"part", row.part},
                                 {"work", row.work},
                                 {"seconds", row.time.seconds},
                                 {"spread", row.time.spread},
                                 {"samples", row.time.samples},
                                 {"page_faults", row.time.page_faults}};
  const auto add = [&](const char* key, double value) {
    if (value != 0) json[key] = value;
  };
  add("images_per_second", row.images / row.time.seconds);
  add("flops_per_second", row.flops / row.time.seconds);
  add("bytes_per_second", row.bytes / row.time.seconds);
  add("ratio", row.ratio);
  add("peak_memory_bytes", row.peak_memory);
  for (const auto& [name, share] : shares(row, ceilings)) json["share_of_ceiling"][name] = share;
  return json;
}

}  // namespace

Table bench_table(const BenchJob& job) {
  Table table{.columns = {"part", "work", "ms", "+- %", "images/s", "GFLOP/s", "GB/s",
                          "share of ceiling", "ratio", "faults", "peak MB"}};
  for (const auto& row : job.rows) {
    const double seconds = row.time.seconds;
    table.rows.push_back({row.part, row.work, 1e3 * seconds,
                          std::string(fmt::format("{:.1f}", 100 * row.time.spread)),
                          number(row.images / seconds), number(1e-9 * row.flops / seconds),
                          number(1e-9 * row.bytes / seconds), share_text(row, job.ceilings),
                          number(row.ratio), std::round(row.time.page_faults),
                          number(std::round(1e-6 * row.peak_memory))});
  }
  return table;
}

Table operator_table(const Profile& profile) {
  constexpr double kLeastShare = 0.004;
  double total = 0;
  for (const auto& time : profile.operators) total += time.seconds;
  Table table{.columns = {"operator", "pass", "calls", "ms each", "share %"}};
  const auto count = static_cast<double>(profile.times);
  double rest = 0;
  for (const auto& time : profile.operators) {
    if (time.seconds < kLeastShare * total) {
      rest += time.seconds;
      continue;
    }
    table.rows.push_back({time.name, time.pass, number(static_cast<double>(time.calls) / count),
                          1e3 * time.seconds / count, 100 * time.seconds / total});
  }
  table.rows.push_back(
      {std::string("(all others)"), std::string("-"), {}, 1e3 * rest / count, 100 * rest / total});
  return table;
}

nlohmann::ordered_json bench_json(const BenchJob& job) {
  nlohmann::ordered_json json = {{"halcyon_version", HALCYON_VERSION},
                                 {"libtorch_version", TORCH_VERSION},
                                 {"cpu", cpu_model()},
                                 {"cpu_cores", std::thread::hardware_concurrency()},
                                 {"threads", at::get_num_threads()},
                                 {"device", job.device.str()},
                                 {"shape", {job.shape.channels, job.shape.height, job.shape.width}},
                                 {"batch", job.batch},
                                 {"model", job.recipe.model.name},
                                 {"parameters", job.parameters},
                                 {"precision", to_text(job.recipe.training.precision)},
                                 {"forward_flops_per_image", job.forward_flops},
                                 {"ceilings",
                                  {{"bytes_per_second", job.ceilings.bytes},
                                   {"float32_flops_per_second", job.ceilings.float32},
                                   {"bfloat16_flops_per_second", job.ceilings.bfloat16}}}};
  json["rows"] = nlohmann::ordered_json::array();
  for (const auto& row : job.rows) json["rows"].push_back(row_json(row, job.ceilings));
  for (const auto& [work, times, operators] : job.profiles) {
    const auto count = static_cast<double>(times);
    for (const auto& time : operators) {
      json["operators"].push_back({{"work", work},
                                   {"name", time.name},
                                   {"pass", time.pass},
                                   {"calls", static_cast<double>(time.calls) / count},
                                   {"seconds", time.seconds / count}});
    }
  }
  return json;
}

}  // namespace halcyon
