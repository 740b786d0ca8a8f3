#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

#include "cli/html.h"
#include "cli/report_sections.h"
#include "io/csv_reader.h"

namespace halcyon {
namespace {

using html::escaped;

/// 1003460 as 1,003,460.
std::string grouped(int64_t number) {
  auto text = std::to_string(number);
  for (auto at = static_cast<int64_t>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<size_t>(at), ",");
  }
  return text;
}

std::string setting(const ReportData& data, const std::string& key) {
  const auto found = data.settings.find(key);
  return found == data.settings.end() ? "" : escaped(found->second);
}

std::string subtitle(const ReportData& data) {
  std::vector<std::string> parts;
  if (const auto model = setting(data, "model.name"); !model.empty()) {
    parts.push_back(fmt::format("{}, {} preconditioning, on {}", model,
                                setting(data, "preconditioning.name"), setting(data, "data.path")));
  }
  if (data.parameters) parts.push_back(grouped(*data.parameters) + " parameters");
  if (!data.date.empty()) parts.push_back("data of " + data.date);
  return fmt::format("<p class=\"soft\">{}</p>\n", fmt::join(parts, " · "));
}

std::string tile(const std::string& name, const std::string& value, const std::string& remark,
                 bool bad = false) {
  return fmt::format("<div><dt>{}</dt><dd{}>{}<small>{}</small></dd></div>\n", name,
                     bad ? " class=\"bad\"" : "", value, remark);
}

std::string step_tile(const ReportData& data) {
  const auto step = last_value(data.metrics, "step");
  const auto images = last_value(data.metrics, "images");
  if (!step) return "";
  const auto planned = setting(data, "training.steps");
  const auto of = planned.empty() ? "" : fmt::format("of {}, ", grouped(std::stoll(planned)));
  return tile("Step", grouped(std::llround(*step)),
              of + (images ? grouped(std::llround(*images)) + " images" : ""));
}

std::string loss_tile(const ReportData& data) {
  const auto loss = last_value(data.metrics, "loss"), error = last_value(data.metrics, "loss_se");
  if (!loss) return "";
  return tile("Training loss", fmt::format("{:.4f}", *loss),
              error ? fmt::format("± {:.1g}, last interval", *error) : "last interval");
}

std::string likelihood_tile(const ReportData& data) {
  if (const auto ode = last_value(data.integrals, "nll_ode_bpd")) {
    const auto error = last_value(data.integrals, "nll_ode_bpd_se");
    return tile("NLL (bits/dim)", fmt::format("{:.3f}", *ode),
                "by the probability flow" + (error ? fmt::format(", ± {:.1g}", *error) : ""));
  }
  const auto bound = last_value(data.integrals, "nll_it_bpd");
  if (!bound) return "";
  return tile("NLL (bits/dim)", fmt::format("{:.3f}", *bound), "by the information rate");
}

std::string calibration_tile(const LevelTable& table) {
  const auto sigma = table.column("sigma"), calibration = table.column("score_calibration");
  size_t worst = sigma.size();
  const auto error = [&](size_t i) { return std::abs(calibration[i] - 1); };
  for (size_t i = 0; i < sigma.size(); ++i) {
    if (std::isfinite(error(i)) && (worst == sigma.size() || error(i) > error(worst))) worst = i;
  }
  if (worst == sigma.size()) return "";
  return tile("Worst calibration c*", fmt::format("{:.3f}", calibration[worst]),
              fmt::format("at σ = {:.3g}; 1 is calibrated", sigma[worst]), error(worst) > 0.1);
}

std::string z_tile(const LevelTable& table) {
  const auto sigma = table.column("sigma");
  double largest = 0;
  std::string where;
  for (const auto& [column, name] : {std::pair{"mean_score_z", "mean score"},
                                     {"virial_z", "virial"},
                                     {"consistency_z", "consistency"}}) {
    const auto z = table.column(column);
    for (size_t i = 0; i < z.size(); ++i) {
      if (!(std::abs(z[i]) > std::abs(largest))) continue;
      largest = z[i];
      where = fmt::format("{} at σ = {:.3g}", name, sigma[i]);
    }
  }
  if (where.empty()) return "";
  return tile("Largest |z|", fmt::format("{:.1f}", std::abs(largest)), where,
              std::abs(largest) > 5);
}

std::string alarms(const ReportData& data) {
  if (!data.alarms) return "";
  if (data.alarms->empty()) {
    return "<p class=\"calm\">No alarms: calibration, loss and Fisher fraction are within their "
           "bounds at every noise level.</p>\n";
  }
  std::string items;
  for (const auto& alarm : *data.alarms) items += fmt::format("<li>{}</li>\n", escaped(alarm));
  return fmt::format("<div class=\"alarms\">\n<h2>Alarms</h2>\n<ul>\n{}</ul>\n</div>\n", items);
}

}  // namespace

std::string header_section(const ReportData& data) {
  auto tiles = step_tile(data) + loss_tile(data) + likelihood_tile(data);
  if (!data.fisher.empty()) {
    const auto& table = data.fisher.front().latest();
    tiles += calibration_tile(table) + z_tile(table);
  }
  if (const auto speed = last_value(data.metrics, "images_per_second")) {
    tiles +=
        tile("Speed", *speed < 1000 ? fmt::format("{:.3g}", *speed) : grouped(std::llround(*speed)),
             "images/s");
  }
  return fmt::format(
      "<header>\n<p class=\"kicker\">Halcyon run report</p>\n<h1>{}</h1>\n{}</header>\n{}{}",
      escaped(data.name), subtitle(data),
      tiles.empty() ? "" : fmt::format("<dl class=\"tiles\">\n{}</dl>\n", tiles), alarms(data));
}

}  // namespace halcyon
