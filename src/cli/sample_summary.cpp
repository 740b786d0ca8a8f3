#include "cli/sample_summary.h"

#include "cli/level_files.h"
#include "config/options.h"
#include "core/registry.h"
#include "samplers/noised_start.h"
#include "samplers/registry.h"

namespace halcyon {
namespace {

using Json = nlohmann::ordered_json;

Json guidance_summary(const SampleCommand& command) {
  const auto& [options, checkpoint, weights] = command.guidance;
  Json summary = {{"weight", options.weight}};
  if (!command.guided()) return summary;
  summary.update({{"low", options.low}, {"high", options.high}, {"rescale", options.rescale}});
  if (!checkpoint.empty()) summary.update({{"checkpoint", checkpoint}, {"weights", weights}});
  return summary;
}

Json start_summary(const SampleCommand& command) {
  const auto& [image, sigma, copies, limit] = command.start;
  if (!command.start.used()) return "noise";
  return {{"image", image}, {"sigma", sigma}, {"copies", copies}, {"limit", limit}};
}

}  // namespace

std::vector<double> sample_grid_levels(const SampleCommand& command, const Model& model) {
  const auto sigmas = make_grid(command.sampler, model.range);
  return command.start.used() ? grid_from(sigmas, command.start.sigma) : sigmas;
}

Json sample_identity(SampleCommand& command, const Steered& steered) {
  const auto& model = steered.model;
  const auto* weaker = steered.guidance ? steered.guidance->network() : nullptr;
  Json identity;
  const OptionSet set(command);
  for (const auto& option : set.options()) {
    const bool elsewhere = (option.key == "checkpoint" && model.network != nullptr) ||
                           (option.key == "guidance.checkpoint" && weaker != nullptr);
    const bool free = option.key == "help" || option.key == "out" || option.key == "batch" ||
                      option.key == "run.threads" || option.key == "trajectory";
    if (!free && !elsewhere) identity[option.key] = option.get();
  }
  // A network is known by its weights, wherever it lies, and a table by what is in it.
  if (model.network) identity["network"] = network_fingerprint(*model.network);
  if (weaker != nullptr) identity["network of guidance"] = network_fingerprint(*weaker);
  if (!command.calibration.empty()) {
    identity["values of calibration"] = fingerprint(load_calibration(command.calibration));
  }
  if (command.sampler.eps_mse) {
    identity["values of sampler.fisher"] = fingerprint(*command.sampler.eps_mse);
  }
  if (steered.start) identity["images of start"] = steered.start->fingerprint;
  identity["halcyon"] = HALCYON_VERSION;
  return identity;
}

Json sample_summary(const SampleCommand& command, const Model& model, const SampleStream& stream) {
  const auto& entry = find_entry(sampler_registry(), command.sampler.name, "sampler.name");
  const auto grid =
      command.sampler.grid == GridSpacing::by_sampler ? entry.grid : command.sampler.grid;
  const auto sigmas = sample_grid_levels(command, model);
  const auto levels = sigmas.size() - (sigmas.back() == 0 ? 1 : 0);
  return {{"sampler", command.sampler.name},
          {"variance", to_text(command.sampler.variance)},
          {"steps", levels},
          {"grid", to_text(grid)},
          {"sigma_min", sigmas[levels - 1]},
          {"sigma_max", sigmas.front()},
          {"denoise", command.sampler.denoise},
          {"nfe", stream.nfe()},
          {"count", command.count},
          {"batch", stream.progress().batch},
          {"seconds", stream.progress().seconds},
          {"seed", command.use.seed},
          {"label", command.label},
          {"guidance", guidance_summary(command)},
          {"clamp", {{"limit", command.clamp.limit}, {"quantile", command.clamp.quantile}}},
          {"start", start_summary(command)},
          {"precision", to_text(command.precision)},
          {"reuse", command.reuse},
          {"checkpoint", model.source},
          {"weights", model.weights},
          {"calibration", command.calibration},
          {"step", model.step}};
}

}  // namespace halcyon
