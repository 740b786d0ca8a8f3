#include <fmt/format.h>

#include <filesystem>
#include <functional>

#include "checkpoint/checkpoint.h"
#include "cli/command_line.h"
#include "cli/evaluation_data.h"
#include "cli/imported_model.h"
#include "core/error.h"
#include "core/registry.h"
#include "interop/diffusers_folder.h"
#include "interop/diffusers_names.h"
#include "interop/diffusers_unet.h"
#include "io/atomic_file.h"
#include "io/table.h"

namespace halcyon {
namespace {

namespace fs = std::filesystem;

struct ImportCommand {
  CommonOptions common;
  std::string from;
  std::string out;
  int64_t size = 0;
  int64_t steps = 0;
  std::string config;
  std::string map;
  std::vector<int64_t> shape;
  int64_t classes = 0;
  PreconditioningOptions preconditioning = {.name = "epsilon"};

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    CommonOptions::fields(self.common, field);
    field(self.from, "from", "what is read: diffusers, a folder, or safetensors, a file");
    field(self.out, "out", "the checkpoint: X.safetensors, or a folder for it");
    field(self.size, "size", "side of the images where a diffusers config leaves it open");
    field(self.steps, "steps", "sampling steps of the scheduler; 0: as its pipelines take");
    field(self.config, "config", "INI file of the network and its preconditioning (safetensors)");
    field(self.map, "map", "file of names, theirs and ours, one tensor a line (safetensors)");
    field(
        self.shape, "shape",
        "channels, height, width of the images (safetensors); empty: data.channels and data.size");
    field(self.classes, "classes", "classes of the network (safetensors); 0: unconditional");
  }
  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("preconditioning", self.preconditioning);
  }
};

/// What stands for the scheduler where there is none.
DescribedScheduler without_scheduler(const PreconditioningOptions& preconditioning) {
  make_preconditioning(preconditioning);
  DescribedScheduler scheduler;
  scheduler.preconditioning = preconditioning;
  scheduler.notes = {
      "there is no scheduler_config.json: the process is that of preconditioning.*, by default "
      "that "
      "of Ho et al. 2020"};
  scheduler.sampler = {.name = "ddpm", .steps = preconditioning.noise.vp.timesteps};
  return scheduler;
}

DescribedScheduler read_scheduler(const ImportCommand& command, const Arguments& arguments,
                                  const std::string& file) {
  if (file.empty()) return without_scheduler(command.preconditioning);
  for (const auto& argument : arguments) {
    if (argument.rfind("--preconditioning.", 0) == 0) {
      throw ConfigError(fmt::format("{}: {} says it already; want no such key", argument, file));
    }
  }
  return read_diffusers_scheduler(read_file(file), file, command.steps);
}

/// The keys of the sampler; the levels of a grid that has no name go to a file beside the
/// checkpoint.
std::string keep_sampler(SamplerOptions sampler, const std::string& out) {
  if (sampler.grid_levels) {
    const auto file = fs::path(checkpoint_file(out)).replace_extension(".grid.csv").string();
    Table table{.columns = {"sigma"}};
    for (const double sigma : *sampler.grid_levels) table.rows.push_back({sigma});
    require_file_place(file);
    write_csv(file, table);
    sampler.grid_file = file;
  }
  return sampler_keys(sampler);
}

std::string clamp_keys(const ClampOptions& clamp) {
  std::string keys;
  if (clamp.limit != 0) keys += fmt::format(" --clamp.limit {}", clamp.limit);
  if (clamp.quantile != 0) keys += fmt::format(" --clamp.quantile {}", clamp.quantile);
  return keys;
}

NameMap diffusers_map(const torch::nn::Module& network, const UnetOptions& unet) {
  NameMap map;
  for (const auto& [name, tensor] : network_tensors(network)) {
    map.names[name] = diffusers_names(name, has_skip_blocks(unet));
  }
  map.left_out = {"time_proj.W"};  // older files have time_proj.weight twice
  return map;
}

/// Fourier features are of ln sigma, which only networks of `ve` are told.
void require_one_process(const UnetOptions& unet, const DescribedScheduler& scheduler,
                         const DiffusersFolder& files) {
  const bool fourier = unet.embedding == NoiseEmbeddingKind::gaussian_fourier;
  const bool ve = process_options(scheduler.preconditioning).name == "ve";
  if (fourier && !ve) {
    throw CheckpointError(fmt::format(
        "{}: time_embedding_type is \"fourier\": want a ScoreSdeVeScheduler, or without a "
        "scheduler --preconditioning.name score",
        files.unet));
  }
  if (ve && !fourier && !files.scheduler.empty()) {
    throw CheckpointError(
        fmt::format("{}: _class_name is \"{}\": want time_embedding_type \"fourier\" in {}",
                    files.scheduler, scheduler.name, files.unet));
  }
}

void import_diffusers(const ImportCommand& command, const Arguments& arguments,
                      const std::string& folder) {
  const auto files = find_diffusers_folder(folder);
  auto unet = read_diffusers_unet(read_file(files.unet), files.unet, command.size);
  const auto scheduler = read_scheduler(command, arguments, files.scheduler);
  require_one_process(unet.options, scheduler, files);
  const ForeignWeights weights(files.weights);
  // Our own exports carry the row of "no class", as the last of their classes.
  const auto no_class = weights.metadata().find("halcyon.no_class");
  if (no_class != weights.metadata().end() &&
      no_class->second == std::to_string(unet.num_classes - 1)) {
    --unet.num_classes;
  }
  ImportedModel model{foreign_recipe(scheduler.preconditioning, unet.shape), unet.shape,
                      unet.num_classes,
                      fmt::format("diffusers {}{}: {}", "UNet2DModel",
                                  scheduler.name.empty() ? "" : ", " + scheduler.name, folder)};
  model.recipe.model.unet = unet.options;
  const auto network = make_network(model.recipe.model, model.shape, model.num_classes);
  const auto map = diffusers_map(*network, unet.options);
  model.sampler = keep_sampler(scheduler.sampler, command.out) + clamp_keys(scheduler.clamp);
  write_imported_model(model, weights, map, files.weights.front(), command.out);
  for (const auto& note : scheduler.notes) fmt::print("note: {}\n", note);
  fmt::print("halcyon sample --checkpoint {} {}\n", command.out, model.sampler);
}

ImageShape shape_of(const ImportCommand& command, const DataOptions& data) {
  auto sides = command.shape;
  if (sides.empty()) sides = {data.channels, data.size, data.size};
  for (const auto side : sides) {
    if (sides.size() != 3 || side < 1 || side > (1 << 14)) sides.clear();
  }
  if (sides.empty()) {
    throw ConfigError(
        "--shape: want channels, height and width of the images, or data.channels and data.size in "
        "--config");
  }
  return {sides[0], sides[1], sides[2]};
}

void import_safetensors(const ImportCommand& command, const Arguments&, const std::string& file) {
  refuse_pickle(file);
  if (command.config.empty()) {
    throw ConfigError("--config: want an INI file that says the model and its preconditioning");
  }
  TrainingRun run;
  OptionSet(run).read_ini_file(command.config);
  auto preconditioning = run.recipe.preconditioning;
  make_preconditioning(preconditioning);
  const auto shape = shape_of(command, run.recipe.data);
  const ForeignWeights weights({file});
  const auto network = make_network(run.recipe.model, shape, command.classes);
  NameMap map;
  if (!command.map.empty()) {
    map = read_name_map(read_file(command.map), command.map, network_tensors(*network));
  }
  write_imported_model({run.recipe, shape, command.classes, "safetensors: " + file}, weights, map,
                       file, command.out);
}

struct ImportEntry {
  const char* name;
  std::function<void(const ImportCommand&, const Arguments&, const std::string&)> run;
};

const std::vector<ImportEntry> kFormats = {{"diffusers", import_diffusers},
                                           {"safetensors", import_safetensors}};

}  // namespace

int import_command(const Arguments& arguments) {
  ImportCommand command;
  Arguments paths;
  if (!parse_command_line("halcyon import --from FORMAT PATH --out CHECKPOINT [--key value ...]",
                          command, arguments, paths)) {
    return 0;
  }
  const auto& format = find_entry(kFormats, command.from, "--from");
  if (paths.size() != 1) {
    throw ConfigError(fmt::format("halcyon import: want one path to read, got {}", paths.size()));
  }
  if (command.out.empty()) throw ConfigError("--out: want the checkpoint to write");
  format.run(command, arguments, paths.front());
  return 0;
}

}  // namespace halcyon
