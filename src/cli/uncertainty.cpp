#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "cli/acting_model.h"
#include "cli/estimate_text.h"
#include "cli/evaluation_data.h"
#include "cli/level_files.h"
#include "cli/machine.h"
#include "cli/model_use.h"
#include "cli/progress.h"
#include "core/error.h"
#include "core/require.h"
#include "core/torch.h"
#include "curvature/laplace_posterior.h"
#include "curvature/tapped_batch.h"
#include "io/atomic_file.h"
#include "io/colour_map.h"
#include "io/image_grid.h"
#include "io/table.h"

namespace halcyon {
namespace {

enum class FreeLayers { all, last };

inline constexpr std::array<std::pair<FreeLayers, const char*>, 2> enum_names(FreeLayers) {
  return {{{FreeLayers::all, "all"}, {FreeLayers::last, "last"}}};
}

struct UncertaintyCommand {
  CommonOptions common;
  ModelUse use = {.out = "uncertainty"};
  std::string curvature;
  FreeLayers layers = FreeLayers::all;
  int64_t count = 8;
  int64_t draws = 16;
  double prior = 0;
  int64_t images = 0;
  MachineOptions machine;
  SamplerOptions sampler;
  DataOptions data;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    CommonOptions::fields(self.common, field);
    ModelUse::fields(self.use, field, "sample k of a seed is that of `halcyon sample`",
                     "folder for uncertainty.png, uncertainty.safetensors and uncertainty.csv");
    field(self.curvature, "curvature", kCurvatureHelp);
    field(self.layers, "layers", "whose parameters are uncertain: all, or the last layer's alone");
    field(self.count, "count", "samples, > 0");
    field(self.draws, "draws", "of the parameters, each sampled with the same noise, >= 3");
    field(self.prior, "prior",
          "precision of the parameters' prior N(0, 1 / prior); 0: that of the largest evidence");
    field(self.images, "images", "training images; 0: as many as the data has");
  }
  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("run", self.machine);
    section("sampler", self.sampler);
    section("data", self.data);
  }
};

/// So many times the divergence foretold, draws are no more those of a Gaussian about theta.
constexpr double kBeyond = 3;

constexpr const char* kUsage =
    "halcyon uncertainty --checkpoint RUN_OR_FILE --curvature FILE [--key value ...]";

void check_options(const UncertaintyCommand& o) {
  require_option(o.count > 0, "--count", "a whole number > 0", o.count);
  require_option(o.draws >= 3, "--draws", "a whole number >= 3", o.draws);
  require_option(o.prior >= 0 && std::isfinite(o.prior), "--prior", "a number >= 0", o.prior);
  require_option(o.images >= 0, "--images", "a whole number >= 0", o.images);
}

/// Which blocks are free.
std::vector<bool> free_blocks(FreeLayers layers, const Model& model, const Curvature& fisher) {
  if (layers == FreeLayers::all) return {};
  const auto& shape = model.shape;
  const auto x = torch::zeros({1, shape.channels, shape.height, shape.width},
                              fisher.space().parameters().front().options());
  const auto one = torch::ones({1}, x.options());
  const auto last = TappedBatch(*model.denoiser, fisher.space(), {x, x, one, one}).layers().back();
  std::vector<bool> free;
  for (const auto& block : fisher.blocks()) free.push_back(block.tensors.front() == last.weight);
  return free;
}

/// What the parameters make of the noise, and draws of them.
struct Drawn {
  torch::Tensor sample;  ///< [N, C, H, W]
  torch::Tensor draws;   ///< [S, N, C, H, W]
  Estimate divergence;   ///< of a draw from the parameters, nats an image
};

Drawn draw(const UncertaintyCommand& command, const Model& model, const FisherNetwork& network,
           const LaplacePosterior& posterior, double prior, torch::Device device) {
  constexpr int64_t kMeasured = 64;  // images a draw
  const auto images = [&] {
    return draw_samples(model, command.sampler, command.count, command.use.seed, /*first=*/0).cpu();
  };
  Progress progress("uncertainty", "draws", command.draws + 1);
  const auto sample = images();
  std::vector<torch::Tensor> draws;
  SampleMoments divergences(1);
  const auto& space = network.space();
  for (int64_t i = 0; i < command.draws; ++i) {
    progress.update(i + 1);
    auto rng = make_generator(command.use.seed, "posterior", i, device);
    const auto z = torch::randn({space.dim()}, rng, space.parameters().front().options());
    const auto step = posterior.step(z, prior);
    const auto cost = step_cost(network, step, kMeasured).divergence.value;
    divergences.add(torch::full({1, 1}, cost, torch::kFloat64));
    const ScopedStep drawn(space, step);
    draws.push_back(images());
  }
  return {sample, torch::stack(draws), divergences.mean(0)};
}

/// Of each sample the root of its variance over draws, averaged over its numbers; its error by a
/// jackknife over draws.
std::vector<Estimate> spreads(const torch::Tensor& draws) {
  const auto flat = draws.to(torch::kFloat64).flatten(2);  // [S, N, d]
  const auto s = static_cast<double>(flat.size(0));
  const auto squares = (flat - flat.mean(0)).square().mean(2);  // [S, N]
  const auto whole = squares.sum(0);
  const auto without = ((whole - squares * s / (s - 1)) / (s - 2)).clamp_min(0).sqrt();
  const auto error = ((s - 1) / s * (without - without.mean(0)).square().sum(0)).sqrt();
  const auto value = (whole / (s - 1)).sqrt();
  std::vector<Estimate> found;
  for (int64_t n = 0; n < flat.size(1); ++n) {
    found.push_back({value[n].item<double>(), error[n].item<double>(), flat.size(0)});
  }
  return found;
}

/// uint8 [N, 3, H, W].
torch::Tensor shown(const torch::Tensor& x) {
  const auto pixels = to_pixels(x);
  return pixels.size(1) == 3 ? pixels : pixels.narrow(1, 0, 1).expand({-1, 3, -1, -1});
}

void write_picture(const std::string& path, const Drawn& drawn,
                   const std::vector<Estimate>& spread) {
  const auto deviation = drawn.draws.std(0);
  const double end = std::max(deviation.mean(1).flatten().quantile(0.99).item<double>(), 1e-12);
  std::vector<std::string> captions;
  for (size_t n = 0; n < spread.size(); ++n) {
    captions.push_back(fmt::format("{}\nsd {}", n, with_error(spread[n])));
  }
  const std::vector<LabelledRow> rows = {
      {"sample", shown(drawn.sample)},
      {"one draw", shown(drawn.draws[0])},
      {"another", shown(drawn.draws[1])},
      {"mean", shown(drawn.draws.mean(0))},
      {"standard\ndeviation", heat_map(deviation, {.low = 0, .high = end})}};
  const auto picture = labelled_rows(rows, captions, std::max<int64_t>(1, 96 / deviation.size(2)));
  write_png(path, with_colour_bar(picture, ColourMap::viridis, {"0", fmt::format("{:.2g}", end)},
                                  "standard deviation, model units"));
}

void write_results(const std::string& folder, const Drawn& drawn,
                   const std::vector<Estimate>& spread, const Metadata& about) {
  const auto deviation = drawn.draws.std(0);
  const auto degrees = static_cast<double>(drawn.draws.size(0) - 1);
  write_safetensors(folder + "/uncertainty.safetensors",
                    {{"sample", drawn.sample},
                     {"mean", drawn.draws.mean(0)},
                     {"standard_deviation", deviation},
                     {"standard_deviation_se", deviation / std::sqrt(2 * degrees)}},
                    about);
  Table table{.columns = {"sample", "standard_deviation", "standard_deviation_se", "largest"}};
  Table text{.columns = {"sample", "sd over draws", "largest pixel's"}};
  for (size_t n = 0; n < spread.size(); ++n) {
    const auto sample = static_cast<double>(n);
    const double largest = deviation[static_cast<int64_t>(n)].max().item<double>();
    table.rows.push_back({sample, spread[n].value, spread[n].standard_error, largest});
    text.rows.push_back({sample, with_error(spread[n]), largest});
  }
  write_csv(folder + "/uncertainty.csv", table);
  write_picture(folder + "/uncertainty.png", drawn, spread);
  fmt::print("{}", to_text(text));
}

}  // namespace

int uncertainty_command(const Arguments& arguments) {
  UncertaintyCommand command;
  if (!parse_command_line(kUsage, command, arguments)) return 0;
  check_options(command);
  const auto device = set_up_machine(command.machine);
  const auto model = load_trained(command.use.checkpoint, command.use.weights, device);
  load_sampler_table(command.sampler, model.source, model.range);
  const auto [fisher, weighting] = load_curvature(command.curvature, *model.network);
  const auto set = load_with_warnings(data_options(kUsage, UncertaintyCommand(), arguments, model));
  require_shape(set, model);
  make_directory(command.use.out);
  const auto& space = fisher.space();
  const auto images = command.images > 0 ? command.images : set.images.size(0);
  const LaplacePosterior posterior(fisher, images, free_blocks(command.layers, model, fisher));
  const auto prior = command.prior > 0
                         ? command.prior
                         : posterior.evidence_prior(space.flat(space.parameters()).detach());
  fmt::print(
      "{} ({} weights, step {}): {} images determine {:.0f} of {} parameters ({}); prior "
      "precision {:.4g}\n",
      model.source, model.weights, model.step, images, posterior.effective_parameters(prior),
      posterior.dim(), to_text(command.layers), prior);
  const torch::NoGradGuard no_grad;
  const auto network = regression_on(model, set, weighting, /*bands=*/8, command.use.seed, device);
  const auto drawn = draw(command, model, network, posterior, prior, device);
  if (!drawn.draws.isfinite().all().item<bool>()) {
    throw ConfigError(
        fmt::format("--prior: at {:.4g} draws of the parameters give samples that are not finite; "
                    "want a higher one",
                    prior));
  }
  write_results(command.use.out, drawn, spreads(drawn.draws),
                {{"source", model.source},
                 {"draws", std::to_string(command.draws)},
                 {"layers", to_text(command.layers)},
                 {"images", std::to_string(images)},
                 {"prior", fmt::format("{:.9g}", prior)}});
  const double foretold = 0.5 * posterior.effective_parameters(prior) / static_cast<double>(images);
  fmt::print("a draw is {:.4g} nats an image away by the quadratic form, and {} as measured\n",
             foretold, with_error(drawn.divergence));
  if (drawn.divergence.value - 2 * drawn.divergence.standard_error > kBeyond * foretold) {
    fmt::print(stderr,
               "warning: that is beyond where the quadratic form holds, and so the posterior too: "
               "the standard deviations are too large; want a higher --prior, or --layers last\n");
  }
  fmt::print("{0}/uncertainty.png, {0}/uncertainty.csv\n", command.use.out);
  return 0;
}

}  // namespace halcyon
