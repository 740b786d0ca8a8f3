#include "cli/fisher_maps.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "core/error.h"
#include "core/random.h"
#include "core/require.h"
#include "core/torch.h"
#include "data/image_set.h"
#include "fisher/fisher_maps.h"
#include "io/colour_map.h"
#include "io/image_grid.h"
#include "io/safetensors.h"

namespace halcyon {
namespace {

namespace fs = std::filesystem;

/// One kind of map: its name in files, and how its picture is read.
struct MapKind {
  const char* name;
  MapEstimate FisherMaps::*map;
  const char* reading;  ///< along the colour bar
  bool fraction;        ///< shown from 0 to 1, and else up to colour_end() of a level
};

const std::vector<MapKind>& map_kinds() {
  static const std::vector<MapKind> kinds = {
      {"fisher", &FisherMaps::fisher, "sigma^2 E s_i^2: 1 noise is told from image", true},
      {"fisher_obs", &FisherMaps::fisher_obs, "-sigma^2 E (grad s)_ii: 1 noise is told from image",
       true},
      {"error", &FisherMaps::error, "E (x0 - D)_i^2", false},
      {"posterior_variance", &FisherMaps::posterior_variance, "sigma^2 E (grad D)_ii", false},
      {"sensitivity", &FisherMaps::sensitivity, "E (grad D^T grad D)_ii", false},
      {"class", &FisherMaps::class_map, "sigma^2 E (s(x|c) - s(x))_i^2", false}};
  return kinds;
}

std::string level_file(double sigma) { return fmt::format("sigma_{:.4f}.safetensors", sigma); }

void check_settings(const MapSettings& settings) {
  require_option(settings.draws >= 2, "maps.draws", "a whole number >= 2", settings.draws);
  const auto& levels = settings.levels;
  require_option(levels.size() >= 2, "maps.levels", "2 noise levels or more", levels.size());
  require_option(levels[0] > 0, "maps.levels", "noise levels > 0", levels[0]);
  for (size_t k = 1; k < levels.size(); ++k) {
    require_option(levels[k - 1] < levels[k] && level_file(levels[k - 1]) != level_file(levels[k]),
                   "maps.levels", "rising noise levels, different to 4 decimals", levels[k]);
  }
}

/// So that no level and no kind of an earlier set stays among those of this.
void remove_maps(const std::string& folder) {
  for (const auto& kind : map_kinds()) fs::remove(folder + "/" + kind.name + ".png");
  std::vector<fs::path> levels;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const auto name = entry.path().filename().string();
    double sigma = 0;
    if (std::sscanf(name.c_str(), "sigma_%lf", &sigma) == 1 && name == level_file(sigma)) {
      levels.push_back(entry.path());
    }
  }
  for (const auto& level : levels) fs::remove(level);
}

void add_map(TensorMap& tensors, const std::string& name, const MapEstimate& map) {
  tensors[name] = map.value.to(torch::kFloat32);
  tensors[name + "_se"] = map.standard_error.to(torch::kFloat32);
}

Metadata metadata_of(const MapSettings& settings) {
  return {{"draws", std::to_string(settings.draws)}, {"seed", std::to_string(settings.seed)}};
}

void write_level(const std::string& folder, const FisherMaps& maps, const MapSettings& settings) {
  SafetensorsFile file = {{}, metadata_of(settings)};
  file.metadata["sigma"] = fmt::format("{}", maps.sigma);
  for (const auto& kind : map_kinds()) {
    if ((maps.*kind.map).count > 0) add_map(file.tensors, kind.name, maps.*kind.map);
  }
  write_safetensors(folder + "/" + level_file(maps.sigma), file.tensors, file.metadata);
}

/// How often pixels are repeated so that details of an image of this height can be seen.
int64_t enlargement(int64_t height) { return std::max<int64_t>(1, 112 / height); }

/// uint8 [N, 3, H, W].
torch::Tensor shown_images(const torch::Tensor& x0) {
  const auto pixels = to_pixels(x0).cpu();
  return pixels.size(1) == 3 ? pixels : pixels.narrow(1, 0, 1).expand({-1, 3, -1, -1});
}

std::string name_of(const MapPanel& panel, int64_t image) {
  return panel.names.empty() ? fmt::format("image {}", image)
                             : panel.names[static_cast<size_t>(image)];
}

/// What 99 % of the pixels of maps [N, C, H, W] stay below, above 0: the few beyond would leave the
/// others dark.
double colour_end(const torch::Tensor& maps) {
  return std::max(maps.mean(1).flatten().quantile(0.99).item<double>(), 1e-12);
}

/// Where the colours of a kind end at a level.  Error and posterior variance are to be compared.
double colour_end(const MapKind& kind, const FisherMaps& maps) {
  if (kind.fraction) return 1;
  const bool square = kind.map == &FisherMaps::error || kind.map == &FisherMaps::posterior_variance;
  return square ? std::max(colour_end(maps.error.value), colour_end(maps.posterior_variance.value))
                : colour_end((maps.*kind.map).value);
}

void write_kind(const std::string& folder, const MapKind& kind, const MapPanel& panel,
                const std::vector<FisherMaps>& levels) {
  std::vector<torch::Tensor> columns = {shown_images(panel.x0)};
  std::vector<std::string> captions = {"clean"};
  for (const auto& maps : levels) {
    const double end = colour_end(kind, maps);
    columns.push_back(heat_map((maps.*kind.map).value, {.low = 0, .high = end}));
    captions.push_back(fmt::format("sigma {:.3g}", maps.sigma));
    if (!kind.fraction) captions.back() += fmt::format("\nto {:.2g}", end);
  }
  const auto images = torch::stack(columns, 1);  // [N, columns, 3, H, W]
  std::vector<LabelledRow> rows;
  for (int64_t i = 0; i < images.size(0); ++i) rows.push_back({name_of(panel, i), images[i]});
  const auto ticks = kind.fraction ? std::vector<std::string>{"0", "0.2", "0.4", "0.6", "0.8", "1"}
                                   : std::vector<std::string>{"0", "top"};
  write_png(folder + "/" + kind.name + ".png",
            with_colour_bar(labelled_rows(rows, captions, enlargement(panel.x0.size(2))),
                            ColourMap::viridis, ticks, kind.reading));
}

void write_attention(const std::string& folder, const MapPanel& panel, const TensorMap& maps) {
  const auto images = shown_images(panel.x0);
  std::vector<std::string> captions;
  for (int64_t i = 0; i < images.size(0); ++i) captions.push_back(name_of(panel, i));
  std::vector<LabelledRow> rows = {{"image", images}};
  const auto add_row = [&](const std::string& label, const std::string& name) {
    if (maps.count(name) == 0) return;
    const auto map = maps.at(name).mean(1, /*keepdim=*/true);
    const double end = colour_end(map);
    rows.push_back({fmt::format("{}\nto {:.2g} nats", label, end),
                    heat_overlay(map, images, {0, end, ColourMap::inferno})});
  };
  add_row("bottom-up:\nsurprise", "nll");
  add_row("top-down:\nclass", "class_information");
  write_png(folder + "/attention.png",
            with_colour_bar(labelled_rows(rows, captions, enlargement(panel.x0.size(2))),
                            ColourMap::inferno, {"0", "top"}, "nats per pixel"));
}

}  // namespace

void write_fisher_maps(const std::string& folder, Denoiser& denoiser, Denoiser* conditional,
                       const MapPanel& panel, const MapSettings& settings,
                       const std::function<void(int64_t)>& on_level) {
  check_settings(settings);
  remove_maps(folder);
  TORCH_CHECK(panel.names.empty() || static_cast<int64_t>(panel.names.size()) == panel.x0.size(0),
              "write_fisher_maps: ", panel.names.size(), " names for images ", panel.x0.sizes());
  std::vector<FisherMaps> levels;
  for (const double sigma : settings.levels) {
    const auto k = static_cast<int64_t>(levels.size());
    auto rng = make_generator(settings.seed, "maps", k, panel.x0.device());
    levels.push_back(measure_maps(denoiser, panel.x0, sigma, settings.draws, rng, conditional));
    write_level(folder, levels.back(), settings);
    on_level(k + 1);
  }

  TensorMap information = {{"x0", panel.x0.to(torch::kFloat32)}};
  add_map(information, "nll", nll_map(levels));
  if (conditional != nullptr) {
    add_map(information, "class_information", class_information_map(levels));
  }
  auto metadata = metadata_of(settings);
  metadata["sigma"] = fmt::format("{}", fmt::join(settings.levels, ","));
  write_safetensors(folder + "/information.safetensors", information, metadata);

  for (const auto& kind : map_kinds()) {
    if ((levels[0].*kind.map).count > 0) write_kind(folder, kind, panel, levels);
  }
  write_attention(folder, panel, information);
}

std::unique_ptr<Denoiser> conditional_denoiser(const Model& model, const torch::Tensor& labels) {
  if (!labels.defined() || !model.network || model.network->num_classes() == 0 ||
      model.recipe.training.label_dropout == 0) {
    return nullptr;
  }
  const auto classes = model.network->num_classes();
  if (labels.min().item<int64_t>() < 0 || labels.max().item<int64_t>() >= classes) {
    throw DataError(fmt::format(
        "data.path: labels {} .. {} for a model of {} classes; want 0 .. {}",
        labels.min().item<int64_t>(), labels.max().item<int64_t>(), classes, classes - 1));
  }
  const auto device = model.network->parameters().front().device();
  return std::make_unique<PreconditionedDenoiser>(*model.network, *model.preconditioning,
                                                  labels.to(device));
}

}  // namespace halcyon
