#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>

#include "cli/command_line.h"
#include "cli/data_loading.h"
#include "cli/run_options.h"
#include "core/error.h"
#include "core/torch.h"
#include "data/toy_distribution.h"
#include "io/run_directory.h"
#include "io/safetensors.h"

namespace halcyon {
namespace {

namespace fs = std::filesystem;

struct InspectCommand {
  CommonOptions common;
  bool verbose = false;
  DataOptions data;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    CommonOptions::fields(self.common, field);
    field(self.verbose, "verbose", "also every tensor of a checkpoint, and its whole recipe");
  }
  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("data", self.data);
  }
};

std::string shape_text(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

/// Text of a file that is not trusted, without what could steer a terminal.
std::string printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 && c != '\n') c = '?';
    if (c == 0x7f) c = '?';
  }
  return text;
}

void inspect_file(const std::string& path, bool verbose) {
  const auto header = read_safetensors_header(path);
  int64_t numbers = 0;
  for (const auto& tensor : header.tensors) numbers += c10::multiply_integers(tensor.shape);
  fmt::print("{}: {} tensors, {} numbers, {:.1f} MB\n", path, header.tensors.size(), numbers,
             static_cast<double>(fs::file_size(path)) / 1e6);
  for (const auto& [key, value] : header.metadata) {
    if (key != "halcyon.recipe") fmt::print("  {} = {}\n", printable(key), printable(value));
  }
  const auto recipe = header.metadata.find("halcyon.recipe");
  if (recipe != header.metadata.end() && verbose) fmt::print("\n{}", printable(recipe->second));
  if (!verbose) return;
  fmt::print("\n");
  for (const auto& tensor : header.tensors) {
    fmt::print("  {:<48} {:<5} {}\n", tensor.name, dtype_name(tensor.dtype),
               shape_text(tensor.shape));
  }
}

void inspect_step(const std::string& folder, bool verbose) {
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) inspect_file(file, verbose);
}

/// The keys of a run's config that differ from the defaults: what makes it this run.
void print_config(const std::string& path) {
  TrainingRun run;
  TrainingRun defaults;
  OptionSet set(run);
  set.read_ini_file(path);
  const auto ordinary = OptionSet(defaults).options();
  for (size_t i = 0; i < ordinary.size(); ++i) {
    const auto value = set.options()[i].get();
    if (value != ordinary[i].get()) fmt::print("  {} = {}\n", ordinary[i].key, value);
  }
}

void inspect_run(const std::string& folder, bool verbose) {
  fmt::print("{}: a run; settings other than the defaults:\n", folder);
  print_config(folder + "/config.ini");
  const auto newest = resolve_checkpoint(folder, "raw.safetensors");
  fmt::print("newest checkpoint:\n");
  inspect_step(fs::path(newest).parent_path().string(), verbose);
}

void print_labels(const ImageSet& set) {
  if (!set.labels.defined()) return;
  const auto counts = torch::bincount(set.labels);
  for (int64_t k = 0; k < counts.size(0); ++k) {
    const auto index = static_cast<size_t>(k);
    const auto name = index < set.class_names.size() ? set.class_names[index] : std::string();
    fmt::print("  label {} {}: {} images\n", k, name, counts[k].item<int64_t>());
  }
}

void inspect_data(const DataOptions& options) {
  const auto set = load_with_warnings(options);
  fmt::print("{}: {}, {} split: {} images {}, {}\n", options.path, set.format,
             to_text(options.split), set.images.size(0),
             shape_text(set.images.sizes().slice(1).vec()),
             set.images.is_floating_point() ? "float32" : "uint8");
  if (is_toy(options.path)) fmt::print("  {}\n", find_toy(options.path).summary);
  const auto moments = value_moments(set);
  fmt::print("  mean {:.6f}, standard deviation {:.6f} (model units, pixels in [-1, 1])\n",
             moments.mean, moments.standard_deviation);
  print_labels(set);
}

}  // namespace

int inspect_command(const Arguments& arguments) {
  InspectCommand command;
  Arguments paths;
  if (!parse_command_line("halcyon inspect PATH [--key value ...]", command, arguments, paths)) {
    return 0;
  }
  if (paths.empty() && command.data.path.empty()) {
    throw ConfigError("halcyon inspect: want a run, a checkpoint or a data set");
  }
  if (paths.size() > 1) throw ConfigError("halcyon inspect: want one path, got '" + paths[1] + "'");
  const auto path = paths.empty() ? command.data.path : paths.front();
  if (fs::path(path).extension() == ".safetensors") {
    inspect_file(path, command.verbose);
  } else if (fs::exists(path + "/config.ini")) {
    inspect_run(path, command.verbose);
  } else if (fs::exists(path + "/raw.safetensors") || fs::exists(path + "/ema.safetensors")) {
    inspect_step(path, command.verbose);
  } else {
    command.data.path = path;
    inspect_data(command.data);
  }
  return 0;
}

}  // namespace halcyon
