#include "cli/evaluate_samples.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/data_loading.h"
#include "cli/evaluation_data.h"
#include "cli/machine.h"
#include "cli/metric_preparation.h"
#include "cli/metric_report.h"
#include "cli/progress.h"
#include "cli/sample_options.h"
#include "core/error.h"
#include "core/registry.h"
#include "core/require.h"
#include "core/torch.h"
#include "io/atomic_file.h"
#include "io/image_grid.h"
#include "io/png_folder.h"
#include "io/safetensors.h"

namespace halcyon {
namespace {

void check(const EvaluateCommand& o) {
  require_option(o.draw >= 0, "--draw", "a whole number > 0", o.draw);
  require_option(o.count == 0 || o.count >= 2, "--count", "0 or a whole number >= 2", o.count);
  require_option(o.reference_count == 0 || o.reference_count >= 2, "--reference_count",
                 "0 or a whole number >= 2", o.reference_count);
  if (o.draw > 0 && !o.samples.empty()) {
    throw ConfigError("--draw: samples are named too; want --samples or --draw");
  }
  if (o.draw > 0 && o.use.checkpoint.empty()) {
    throw ConfigError("--draw: want a --checkpoint to draw from");
  }
  for (const auto& name : o.metrics) find_entry(metric_registry(), name, "--metrics");
  check_options(o.metric);
}

/// What `data.path` names, or else the data that the checkpoint was trained on.
void settle_data(EvaluateCommand& command, const Arguments& arguments, torch::Device device) {
  if (command.use.checkpoint.empty()) return;
  const auto model =
      load_with_warnings(command.use.checkpoint, command.use.weights, /*label=*/-1, device);
  command.data = data_options(kEvaluateUsage, EvaluateCommand(), arguments, model);
}

HeldOut load_reference(const EvaluateCommand& command, const Arguments& arguments) {
  auto options = command.data;
  options.labels = false;
  auto loaded = names_key(arguments, "data.split")
                    ? HeldOut{load_with_warnings(options), to_text(options.split)}
                    : load_held_out(options, [&] { return load_with_warnings(options); });
  auto& images = loaded.set.images;
  if (command.reference_count > images.size(0)) {
    throw ConfigError(fmt::format("--reference_count: {}, but there are {} images",
                                  command.reference_count, images.size(0)));
  }
  if (command.reference_count > 0) {
    const auto order = image_order(images.size(0), command.use.seed);
    images = images.index_select(0, order.narrow(0, 0, command.reference_count));
  }
  return loaded;
}

/// Draws as `halcyon sample` does; returns its exit code.
int draw_samples_first(EvaluateCommand& command, bool to_tensors) {
  command.samples = command.use.out + (to_tensors ? "/samples.safetensors" : "/samples.zip");
  SampleCommand sample;
  sample.use = command.use;
  sample.use.out = command.samples;
  sample.count = command.draw;
  sample.machine = command.machine;
  sample.sampler = command.sampler;
  return sample_images(sample, /*count_is_named=*/true);
}

/// How many images the folder of `halcyon sample` has; 0 for any other.
int64_t drawn_count(const std::string& folder) {
  const auto summary = folder + "/samples.json";
  if (!std::filesystem::exists(summary)) return 0;
  const auto json = nlohmann::json::parse(read_file(summary), nullptr, /*allow_exceptions=*/false);
  const auto count = json.is_object() ? json.value("count", nlohmann::json()) : json;
  return count.is_number_integer() ? std::max<int64_t>(0, count.get<int64_t>()) : 0;
}

/// Its images, and not the pictures beside them.
torch::Tensor load_drawn(const std::string& folder, int64_t count) {
  std::vector<torch::Tensor> images;
  for (int64_t i = 0; i < count; ++i) {
    images.push_back(read_png_pixels(folder + "/" + PngFolder::name(i)));
    if (images.back().sizes() != images.front().sizes()) {
      throw DataError(fmt::format("'{}': its images are not of one shape", folder));
    }
  }
  return torch::stack(images);
}

torch::Tensor load_named(const DataOptions& options) try {
  return load_with_warnings(options).images;
} catch (const DataError& error) {
  throw DataError(fmt::format("--samples: {}", error.what()));
}

/// [N, C, H, W]: uint8, unless the reference is of floating point.
torch::Tensor load_samples(const EvaluateCommand& command, bool floating) {
  torch::Tensor images;
  if (command.samples.ends_with(".safetensors")) {
    const auto tensors = read_safetensors(command.samples).tensors;
    const auto found = tensors.find("samples");
    if (found == tensors.end() || found->second.dim() != 4 || found->second.size(0) == 0) {
      throw DataError(fmt::format("'{}': want a tensor 'samples', [N, C, H, W]", command.samples));
    }
    images = found->second;
  } else if (const auto drawn = drawn_count(command.samples); drawn > 0) {
    images = load_drawn(command.samples, drawn);
  } else {
    DataOptions options = command.data;
    options.path = command.samples;
    options.split = DataSplit::all;
    options.labels = false;
    options.limit = command.count;
    images = load_named(options);
  }
  if (command.count > images.size(0)) {
    throw ConfigError(
        fmt::format("--count: {}, but there are {} samples", command.count, images.size(0)));
  }
  if (command.count > 0) images = images.narrow(0, 0, command.count);
  if (floating) return to_model_units(images);
  return images.is_floating_point() ? to_pixels(images) : images;
}

void require_one_shape(const torch::Tensor& samples, const torch::Tensor& reference) {
  const auto a = samples.sizes().slice(1), b = reference.sizes().slice(1);
  if (a == b) return;
  throw DataError(fmt::format("--samples has images of {}, data.path of {}; want one shape",
                              fmt::join(a, "x"), fmt::join(b, "x")));
}

std::unique_ptr<FeatureMap> feature_map(const EvaluateCommand& command, torch::Device device) {
  if (command.features.network.empty()) return std::make_unique<RandomFeatures>();
  return load_script_features(command.features, device);
}

/// Puts the reference into the job, and where the training images are.
void add_reference(MetricJob& job, const EvaluateCommand& command, const HeldOut& reference) {
  const auto& images = reference.set.images;
  require_one_shape(job.samples, images);
  job.reference = images.to(job.samples.device());
  job.reference_is_held_out = reference.split == to_text(DataSplit::test);
  const bool is_training = reference.split == to_text(DataSplit::train);
  job.training = [&command, images, is_training] {
    if (is_training && command.reference_count == 0) return images;
    auto options = command.data;
    options.labels = false;
    options.split = DataSplit::train;
    return load_with_warnings(options).images;
  };
}

MetricReport describe(const EvaluateCommand& command, const MetricJob& job,
                      const MetricPreparation& preparation, const HeldOut* reference) {
  int64_t count = job.frechet ? job.frechet->statistics.count : 0;
  if (reference != nullptr) count = reference->set.images.size(0);
  return {.samples = command.samples,
          .count = job.samples.size(0),
          .reference = reference != nullptr ? command.data.path : command.reference,
          .split = reference != nullptr ? reference->split : "",
          .reference_count = count,
          .features = job.map.name(),
          .seed = command.use.seed,
          .skipped = preparation.skipped};
}

void write(const MetricReport& report, const std::string& out) {
  write_file_atomically(out + "/evaluation.json", metric_json(report));
  append_csv(out + "/evaluation.csv", metric_table(report));
  fmt::print("{}{}/evaluation.json, {}/evaluation.csv ({})\n", metric_text(report), out, out,
             duration_text(report.seconds));
}

}  // namespace

int evaluate_samples(EvaluateCommand command, const Arguments& arguments) {
  check(command);
  const auto device = set_up_machine(command.machine);
  settle_data(command, arguments, device);
  const auto map = feature_map(command, device);
  std::optional<HeldOut> reference;
  if (!command.data.path.empty()) reference = load_reference(command, arguments);
  make_directory(command.use.out);
  const bool floating = reference && reference->set.images.is_floating_point();
  if (command.draw > 0) {
    const int code = draw_samples_first(command, floating);
    if (code != 0) return code;
  }

  const auto start = std::chrono::steady_clock::now();
  MetricJob job{.options = command.metric,
                .seed = command.use.seed,
                .out = command.use.out,
                .samples = load_samples(command, floating).to(device),
                .map = *map};
  if (reference) add_reference(job, command, *reference);
  MetricPreparation preparation({command.metrics, command.reference, command.keep_features}, job,
                                reference ? reference->split : "");
  preparation.compute();
  auto report = describe(command, job, preparation, reference ? &*reference : nullptr);
  for (const auto* entry : preparation.chosen) {
    const auto rows = entry->measure(job);
    report.rows.insert(report.rows.end(), rows.begin(), rows.end());
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  write(report, command.use.out);
  return 0;
}

}  // namespace halcyon
