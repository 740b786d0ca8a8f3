#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "checkpoint/checkpoint.h"
#include "cli/command_line.h"
#include "cli/data_loading.h"
#include "core/error.h"
#include "core/torch.h"
#include "interop/diffusers_names.h"
#include "interop/diffusers_scheduler.h"
#include "interop/diffusers_unet.h"
#include "io/atomic_file.h"

namespace halcyon {
namespace {

namespace fs = std::filesystem;

constexpr const char* kScoreSdeVe = "ScoreSdeVeScheduler";
constexpr const char* kClassTable = "embedding.class_table.weight";

struct ExportCommand {
  CommonOptions common;
  std::string to;
  std::string checkpoint;
  std::string weights = "ema";
  std::string out;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    CommonOptions::fields(self.common, field);
    field(self.to, "to", "what is written: diffusers");
    field(self.checkpoint, "checkpoint", "run directory, step directory or .safetensors file");
    field(self.weights, "weights", "raw, ema, or ema-HALFLIFE");
    field(self.out, "out", "folder to write, which is not there yet or is empty");
  }
};

/// A pipeline that is to be.
struct Pipeline {
  SafetensorsFile weights;
  nlohmann::ordered_json unet, scheduler;
};

/// The row of "no class" comes along, as the last class, unless it is zero, as in a network that
/// never had one.
void export_classes(const Model& model, Pipeline& pipeline, DescribedUnet& unet) {
  unet.num_classes = model.network->num_classes();
  if (unet.num_classes == 0) return;
  auto& table = pipeline.weights.tensors.at(diffusers_names(kClassTable).front());
  if (table[-1].count_nonzero().item<int64_t>() == 0) {
    table = table.slice(0, 0, -1);
    return;
  }
  pipeline.weights.metadata["halcyon.no_class"] = std::to_string(unet.num_classes);
  ++unet.num_classes;
}

/// A UNet2DModel takes ln sigma for Fourier features, and a ScoreSdeVeScheduler has these.
void require_one_process(const UnetOptions& unet, bool ve) {
  if (ve == (unet.embedding == NoiseEmbeddingKind::gaussian_fourier)) return;
  throw ConfigError(
      fmt::format("model.unet.embedding: want {} for diffusers with preconditioning.process = {}",
                  ve ? "gaussian_fourier" : "sinusoidal", ve ? "ve" : "vp"));
}

Pipeline make_pipeline(const Model& model) {
  if (!model.network || model.recipe.model.name != "unet") {
    throw ConfigError(fmt::format("{}: it is {}; want a network with model.name = unet",
                                  model.source,
                                  model.network ? "of model.name = " + model.recipe.model.name
                                                : std::string("an exact denoiser")));
  }
  Pipeline pipeline;
  pipeline.scheduler = diffusers_scheduler_config(model.recipe.preconditioning);
  DescribedUnet unet{model.recipe.model.unet, model.shape, 0};
  diffusers_unet_config(unet);  // refuses what has no counterpart before anything is named
  require_one_process(unet.options, pipeline.scheduler.at("_class_name") == kScoreSdeVe);
  for (const auto& [name, tensor] : network_tensors(*model.network)) {
    const auto theirs = diffusers_names(name, has_skip_blocks(unet.options)).front();
    pipeline.weights.tensors[theirs] = tensor.detach();
  }
  pipeline.weights.metadata = {{"format", "pt"}};
  export_classes(model, pipeline, unet);
  pipeline.unet = diffusers_unet_config(unet);
  return pipeline;
}

/// The folder appears whole or not at all.
void write_pipeline(const Pipeline& pipeline, const std::string& out) {
  std::error_code ignored;
  if (fs::exists(out, ignored) && !(fs::is_directory(out, ignored) && fs::is_empty(out, ignored))) {
    throw FileError(fmt::format("{}: it is there already; want a new or an empty folder", out));
  }
  const auto place = fs::path(out).has_filename() ? fs::path(out) : fs::path(out).parent_path();
  const auto fresh = (place.parent_path() / (".tmp-" + place.filename().string())).string();
  remove_all(fresh);
  make_directory(fresh + "/unet");
  make_directory(fresh + "/scheduler");
  const std::string scheduler = pipeline.scheduler.at("_class_name");
  const auto* const kind = scheduler == kScoreSdeVe ? "ScoreSdeVePipeline" : "DDPMPipeline";
  const nlohmann::ordered_json index = {{"_class_name", kind},
                                        {"_diffusers_version", "0.30.0"},
                                        {"scheduler", {"diffusers", scheduler}},
                                        {"unet", {"diffusers", "UNet2DModel"}}};
  const auto write = [&](const std::string& name, const nlohmann::ordered_json& object) {
    write_file_atomically(fresh + "/" + name, object.dump(2) + "\n");
  };
  write("model_index.json", index);
  write("unet/config.json", pipeline.unet);
  write("scheduler/scheduler_config.json", pipeline.scheduler);
  write_safetensors(fresh + "/unet/diffusion_pytorch_model.safetensors", pipeline.weights.tensors,
                    pipeline.weights.metadata);
  remove_all(place.string());  // an empty one
  move_file(fresh, place.string());
}

}  // namespace

int export_command(const Arguments& arguments) {
  ExportCommand command;
  if (!parse_command_line("halcyon export --to diffusers --checkpoint RUN_OR_FILE --out FOLDER",
                          command, arguments)) {
    return 0;
  }
  if (command.to != "diffusers") {
    throw ConfigError(fmt::format("--to: want diffusers, got '{}'", command.to));
  }
  if (command.out.empty()) throw ConfigError("--out: want the folder to write");
  const auto model = load_with_warnings(command.checkpoint, command.weights, -1, torch::kCPU);
  const auto pipeline = make_pipeline(model);
  write_pipeline(pipeline, command.out);
  fmt::print("{} tensors, {} weights: {}\n", pipeline.weights.tensors.size(), model.weights,
             command.out);
  if (pipeline.weights.metadata.count("halcyon.no_class") > 0) {
    fmt::print("note: the last class, {}, means \"no class\"\n",
               pipeline.weights.metadata.at("halcyon.no_class"));
  }
  return 0;
}

}  // namespace halcyon
