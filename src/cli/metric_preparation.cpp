#include "cli/metric_preparation.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "core/torch.h"
#include "data/image_set.h"

namespace halcyon {
namespace {

void move_to(FrechetSet& set, torch::Device device) {
  set.statistics.mean = set.statistics.mean.to(device);
  set.statistics.covariance = set.statistics.covariance.to(device);
  if (set.features) set.features = set.features->to(device);
}

}  // namespace

MetricPreparation::MetricPreparation(MetricChoice choice, MetricJob& job, const std::string& split)
    : choice_(std::move(choice)), job_(job) {
  if (job.reference.defined()) {
    ImageSet set;
    set.images = job.reference.cpu();
    about_ = fmt::format("{}; {}; {}", fingerprint(set), split, job.map.name());
  }
  if (!choice_.reference.empty()) read_file();
  choose();
}

void MetricPreparation::choose() {
  const auto& names = choice_.metrics;
  for (const auto& entry : metric_registry()) {
    const bool named = std::find(names.begin(), names.end(), entry.name) != names.end();
    if (!named && !names.empty()) continue;
    const auto missing = lack(entry.need);
    if (missing.empty()) {
      chosen.push_back(&entry);
    } else if (named) {
      throw ConfigError(fmt::format("--metrics: {} wants {}", entry.name, missing));
    } else {
      skipped[entry.name] = missing;
    }
  }
  if (chosen.empty()) throw ConfigError("data.path: want a reference set, or --reference X.npz");
}

void MetricPreparation::compute() {
  if (needs(MetricNeed::features) || needs(MetricNeed::statistics)) {
    job_.features = map_images(job_.map, job_.samples, FeatureKind::features, "sample features");
    add_reference();
  }
  if (needs(MetricNeed::classes)) {
    job_.probabilities =
        map_images(job_.map, job_.samples, FeatureKind::probabilities, "sample classes");
  }
}

bool MetricPreparation::needs(MetricNeed need) const {
  return std::any_of(chosen.begin(), chosen.end(),
                     [&](const MetricEntry* entry) { return entry->need == need; });
}

/// What is missing, in words; empty: nothing.
std::string MetricPreparation::lack(MetricNeed need) const {
  const bool data = job_.reference.defined();
  switch (need) {
    case MetricNeed::statistics:
      return data || file_ ? "" : "data.path or --reference";
    case MetricNeed::features:
      return data || (file_ && file_->set.features)
                 ? ""
                 : "data.path, or a --reference made with --keep_features";
    case MetricNeed::classes:
      return job_.map.classifies() ? "" : "a features.network that gives class probabilities";
    case MetricNeed::images:
    case MetricNeed::training:
      return data ? "" : "data.path";
  }
  return "";
}

void MetricPreparation::read_file() {
  const auto& path = choice_.reference;
  const bool has_data = job_.reference.defined();
  if (!path.ends_with(".npz")) {
    throw ConfigError(fmt::format("--reference: '{}'; want a file X.npz", path));
  }
  if (!std::filesystem::exists(path)) {
    if (has_data) return;
    throw ConfigError(
        fmt::format("--reference: '{}' is not there; want data.path too, to make it", path));
  }
  file_ = read_reference(path);
  if (has_data && !file_->about.empty() && file_->about != about_) {
    throw ConfigError(
        fmt::format("--reference: '{}' is of other data or features; found: {}; wanted: {}", path,
                    file_->about, about_));
  }
}

void MetricPreparation::add_reference() {
  const bool rows = needs(MetricNeed::features) || (choice_.keep_features && !file_);
  if (file_ && (file_->set.features || !rows)) {
    job_.frechet = file_->set;
  } else {
    job_.frechet = frechet_set(
        map_images(job_.map, job_.reference, FeatureKind::features, "reference features"));
    if (file_) job_.frechet->statistics = file_->set.statistics;
  }
  move_to(*job_.frechet, job_.features.device());
  const auto found = job_.frechet->statistics.mean.size(0);
  if (found != job_.features.size(1)) {
    throw ConfigError(fmt::format("--reference: '{}' has {} features, {} has {}", choice_.reference,
                                  found, job_.map.name(), job_.features.size(1)));
  }
  if (choice_.reference.empty() || file_) return;
  ReferenceFile file = {*job_.frechet, about_};
  if (!choice_.keep_features) file.set.features.reset();
  write_reference(choice_.reference, file);
}

}  // namespace halcyon
