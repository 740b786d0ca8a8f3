#include "cli/training_events.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "config/options.h"
#include "io/atomic_file.h"
#include "io/event_summary.h"

namespace halcyon {
namespace {

double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::vector<Hyperparameter> hyperparameters(Recipe& recipe) {
  std::vector<Hyperparameter> result;
  const OptionSet set(recipe);
  for (const auto& option : set.options()) {
    const auto text = option.get();
    const bool number = option.type == "number" || option.type == "whole number" ||
                        option.type == "whole number >= 0";
    auto& value = result.emplace_back(option.key, text).second;
    if (option.bare == "true") {
      value = text == "true";
    } else if (number) {
      value = from_text<double>(text);
    }
  }
  return result;
}

/// Text that Markdown leaves as it is.
std::string verbatim(const std::string& text) {
  std::string result = "    ";
  for (const char c : text) {
    result += c;
    if (c == '\n') result += "    ";
  }
  return result;
}

std::string metric_tag(const std::string& column) { return "train/" + column; }

}  // namespace

TrainingEvents::TrainingEvents(const std::string& folder, int64_t first_step)
    : told_before_(first_step > 0 && EventFile::exists_in(folder)), file_(folder, first_step) {}

void TrainingEvents::begin(TrainingRun run) {
  if (told_before_) return;
  const auto recipe = hyperparameters(run.recipe);
  file_.append(0, {hparams_columns(recipe, {metric_tag("loss"), metric_tag("x0_mse")}),
                   hparams_start(recipe, seconds_since_1970()),
                   text_summary("config", verbatim(OptionSet(run).to_ini()))});
}

void TrainingEvents::metrics(const MetricsRow& row) {
  std::vector<ProtoMessage> values;
  for (size_t i = 1; i < row.size(); ++i) {
    values.push_back(scalar_summary(metric_tag(row[i].first), row[i].second));
  }
  file_.append(static_cast<int64_t>(row.front().second), values);
}

void TrainingEvents::picture(int64_t step, const std::string& tag, const std::string& path) {
  if (std::filesystem::is_regular_file(path)) {
    file_.append(step, {image_summary(tag, read_file(path))});
  }
}

void TrainingEvents::fisher(int64_t step, const std::vector<FisherEstimates>& levels) {
  std::vector<ProtoMessage> values;
  for (const auto& level : levels) {
    const auto add = [&](const char* name, double value) {
      values.push_back(
          scalar_summary(fmt::format("fisher/{}/sigma_{:.3g}", name, level.sigma), value));
    };
    const bool observed = level.probes > 0;
    add("J_exp", level.fisher_info_exp.value);
    add(observed ? "J_obs" : "J_stein",
        (observed ? level.fisher_info_obs : level.fisher_info_stein).value);
    add("calibration", level.score_calibration.value);
    add("eps_mse", level.eps_mse.value);
  }
  file_.append(step, values);
}

void TrainingEvents::score_norms(int64_t step, const ScoreNorms& norms) {
  std::vector<ProtoMessage> values;
  for (const auto& band : norms.bands()) {
    EventHistogram histogram{band.min, band.max, band.count, band.sum, band.sum_squares};
    for (size_t i = 0; i < band.counts.size(); ++i) {
      const bool last = i + 1 == band.counts.size();
      const auto edge = ScoreNorms::kBucketWidth * static_cast<double>(i + 1);
      histogram.limits.push_back(last ? std::max(edge, band.max) : edge);
      histogram.counts.push_back(band.counts[i]);
    }
    const auto tag =
        fmt::format("score_norm/sigma_{:.3g}_to_{:.3g}", band.sigma_low, band.sigma_high);
    values.push_back(histogram_summary(tag, histogram));
  }
  if (!values.empty()) file_.append(step, values);
}

void TrainingEvents::end(int64_t step) { file_.append(step, {hparams_end(seconds_since_1970())}); }

}  // namespace halcyon
