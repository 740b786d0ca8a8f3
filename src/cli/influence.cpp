#include "curvature/influence.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "cli/acting_model.h"
#include "cli/estimate_text.h"
#include "cli/evaluation_data.h"
#include "cli/level_files.h"
#include "cli/machine.h"
#include "cli/model_use.h"
#include "cli/pictures.h"
#include "cli/progress.h"
#include "cli/start_images.h"
#include "core/require.h"
#include "core/torch.h"
#include "io/atomic_file.h"
#include "io/image_grid.h"
#include "io/table.h"
#include "metrics/nearest_neighbours.h"

namespace halcyon {
namespace {

struct InfluenceCommand {
  CommonOptions common;
  ModelUse use = {.out = "influence"};
  std::string curvature;
  std::string input;
  int64_t count = 4;
  int64_t images = 2048;
  int64_t draws = 8;
  int64_t query_draws = 16;
  double ridge = 0.1;
  int64_t shown = 5;
  int64_t batch = 64;
  MachineOptions machine;
  SamplerOptions sampler;
  DataOptions data;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    CommonOptions::fields(self.common, field);
    ModelUse::fields(self.use, field, "chooses samples, training images and noise",
                     "folder for influence.png and influence.csv");
    field(self.curvature, "curvature", kCurvatureHelp);
    field(self.input, "input",
          "picture, folder or data set to ask about; empty: samples of the model");
    field(self.count, "count", "samples, or images of the input from the first on, > 0");
    field(self.images, "images", "training images that are looked at, >= 2");
    field(self.draws, "draws", "noise levels for each of them, evenly spread, >= 2");
    field(self.query_draws, "query_draws", "draws of noise a level for a sample, > 0");
    field(self.ridge, "ridge",
          "added to the Fisher matrix, as a share of its mean eigenvalue, > 0");
    field(self.shown, "shown", "training images shown for a sample, > 0");
    field(self.batch, "batch", "images evaluated at once, > 0");
  }
  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("run", self.machine);
    section("sampler", self.sampler);
    section("data", self.data);
  }
};

constexpr const char* kUsage =
    "halcyon influence --checkpoint RUN_OR_FILE --curvature FILE [--input IMAGES] [--key value "
    "...]";

void check_options(const InfluenceCommand& o) {
  require_option(o.count > 0, "--count", "a whole number > 0", o.count);
  require_option(o.images >= 2, "--images", "a whole number >= 2", o.images);
  require_option(o.draws >= 2, "--draws", "a whole number >= 2", o.draws);
  require_option(o.query_draws > 0, "--query_draws", "a whole number > 0", o.query_draws);
  require_option(o.ridge > 0 && std::isfinite(o.ridge), "--ridge", "a number > 0", o.ridge);
  require_option(o.shown > 0, "--shown", "a whole number > 0", o.shown);
  require_option(o.batch > 0, "--batch", "a whole number > 0", o.batch);
}

/// The images that are asked about, [Q, C, H, W] in model units.
torch::Tensor queries(const InfluenceCommand& command, const Model& model, torch::Device device) {
  if (!command.input.empty()) {
    const auto set = load_fitting(command.input, "--input", command.count, model);
    return to_model_units(set.images).to(device);
  }
  const torch::NoGradGuard no_grad;
  return draw_samples(model, command.sampler, command.count, command.use.seed, /*first=*/0);
}

/// Training images by their places in the set.
struct Candidates {
  torch::Tensor places;  ///< int64 [M]
  torch::Tensor x0;      ///< [M, C, H, W] in model units
  int64_t all;           ///< how many the set has
};

Candidates choose(const ImageSet& set, int64_t count, uint64_t seed, torch::Device device) {
  const int64_t all = set.images.size(0);
  const auto order = image_order(all, seed).narrow(0, 0, std::min(count, all));
  const auto places = std::get<0>(order.sort());
  return {places, to_model_units(set.images.index_select(0, places)).to(device), all};
}

void add_queries(const InfluenceCommand& command, const FisherNetwork& network,
                 const torch::Tensor& images, Influence& influence) {
  const auto bands = network.bands().count();
  Progress progress("samples", "gradients", images.size(0) * bands);
  for (int64_t q = 0; q < images.size(0); ++q) {
    auto rng = network.generator("influence query", q);
    const auto copies = images.narrow(0, q, 1).expand(
        {command.query_draws, images.size(1), images.size(2), images.size(3)});
    torch::Tensor sum;
    for (int64_t k = 0; k < bands; ++k) {
      const auto batch = network.bands().draw(k, copies.contiguous(), rng);
      const TappedBatch tapped(network.denoiser(), network.space(), batch);
      const auto gradient = layer_gradient(tapped, whitened_target(batch), network.space());
      sum = sum.defined() ? sum + gradient : gradient;
      progress.update(q * bands + k + 1);
    }
    influence.add_query(sum / static_cast<double>(bands));
  }
}

/// Influence of every candidate on every query, [M, Q], over noise levels.
struct Scores {
  torch::Tensor mean, standard_error;
};

Scores score(const InfluenceCommand& command, const FisherNetwork& network,
             const Candidates& candidates, const Influence& influence) {
  const auto count = candidates.x0.size(0), bands = network.bands().count();
  Progress progress("training images", "gradients", count * bands);
  auto rng = network.generator("influence noise", 0);
  std::vector<torch::Tensor> parts;
  for (int64_t first = 0; first < count; first += command.batch) {
    const auto x0 = candidates.x0.narrow(0, first, std::min(command.batch, count - first));
    std::vector<torch::Tensor> levels;
    for (int64_t k = 0; k < bands; ++k) {
      const auto batch = network.bands().draw(k, x0, rng);
      const TappedBatch tapped(network.denoiser(), network.space(), batch);
      levels.push_back(influence.of(tapped, whitened_target(batch)).to(torch::kFloat64).cpu());
      progress.update(first * bands + (k + 1) * x0.size(0));
    }
    parts.push_back(torch::stack(levels));  // [bands, B, Q]
  }
  const auto all = torch::cat(parts, 1);
  return {all.mean(0), all.std(0) / std::sqrt(static_cast<double>(bands))};
}

/// Both ways to be near.
struct Ranked {
  torch::Tensor by_influence;  ///< int64 [Q, M], the most helpful first
  torch::Tensor by_pixels;     ///< [Q, M], the nearest first
  torch::Tensor distances;     ///< [Q, M] by candidate
};

Ranked rank(const Scores& scores, const torch::Tensor& queries, const Candidates& candidates) {
  const auto found =
      nearest_neighbours(queries.to(torch::kFloat32), candidates.x0, candidates.x0.size(0));
  const auto indices = found.indices.cpu();
  const auto distances =
      torch::empty_like(found.distances.cpu()).scatter_(1, indices, found.distances.cpu());
  return {scores.mean.t().argsort(1, /*descending=*/true), indices, distances};
}

void write_scores(const std::string& path, const Scores& scores, const Ranked& ranked,
                  const Candidates& candidates) {
  Table table{.columns = {"sample", "rank", "training_image", "influence", "influence_se",
                          "pixel_distance"}};
  for (int64_t q = 0; q < ranked.by_influence.size(0); ++q) {
    for (int64_t r = 0; r < ranked.by_influence.size(1); ++r) {
      const auto m = ranked.by_influence[q][r].item<int64_t>();
      table.rows.push_back({static_cast<double>(q), static_cast<double>(r + 1),
                            static_cast<double>(candidates.places[m].item<int64_t>()),
                            scores.mean[m][q].item<double>(),
                            scores.standard_error[m][q].item<double>(),
                            ranked.distances[q][m].item<double>()});
    }
  }
  write_csv(path, table);
}

void write_picture(const std::string& path, const torch::Tensor& queries, const Ranked& ranked,
                   const Candidates& candidates, int64_t shown) {
  std::vector<std::string> captions = {"sample"};
  for (int64_t k = 1; k <= shown; ++k) captions.push_back(fmt::format("influence\n{}.", k));
  for (int64_t k = 1; k <= shown; ++k) captions.push_back(fmt::format("pixels\n{}.", k));
  std::vector<LabelledRow> rows;
  for (int64_t q = 0; q < queries.size(0); ++q) {
    const auto best = [&](const torch::Tensor& order) {
      return candidates.x0.index_select(0, order[q].narrow(0, 0, shown).to(candidates.x0.device()));
    };
    const auto images =
        torch::cat({queries.narrow(0, q, 1), best(ranked.by_influence), best(ranked.by_pixels)});
    rows.push_back({std::to_string(q), to_pixels(images).cpu()});
  }
  write_png(path, labelled_rows(rows, captions, picture_scale(queries.size(2))));
}

Table summary(const Scores& scores, const Ranked& ranked, const Candidates& candidates,
              int64_t shown, int64_t draws) {
  Table table{.columns = {"sample", "most helpful", "influence, nats", "its rank by pixels",
                          fmt::format("of the first {} by pixels too", shown)}};
  for (int64_t q = 0; q < ranked.by_influence.size(0); ++q) {
    const auto m = ranked.by_influence[q][0].item<int64_t>();
    const auto place = (ranked.by_pixels[q] == m).nonzero()[0].item<int64_t>() + 1;
    std::set<int64_t> nearest;
    for (int64_t k = 0; k < shown; ++k) nearest.insert(ranked.by_pixels[q][k].item<int64_t>());
    int64_t common = 0;
    for (int64_t k = 0; k < shown; ++k) {
      common += static_cast<int64_t>(nearest.count(ranked.by_influence[q][k].item<int64_t>()));
    }
    const Estimate best = {scores.mean[m][q].item<double>(),
                           scores.standard_error[m][q].item<double>(), draws};
    table.rows.push_back(
        {static_cast<double>(q), static_cast<double>(candidates.places[m].item<int64_t>()),
         with_error(best), static_cast<double>(place), static_cast<double>(common)});
  }
  return table;
}

}  // namespace

int influence_command(const Arguments& arguments) {
  InfluenceCommand command;
  if (!parse_command_line(kUsage, command, arguments)) return 0;
  check_options(command);
  const auto device = set_up_machine(command.machine);
  const auto model = load_trained(command.use.checkpoint, command.use.weights, device);
  load_sampler_table(command.sampler, model.source, model.range);
  const auto [fisher, weighting] = load_curvature(command.curvature, *model.network);
  const auto set = load_with_warnings(data_options(kUsage, InfluenceCommand(), arguments, model));
  require_shape(set, model);
  make_directory(command.use.out);
  const auto candidates = choose(set, command.images, command.use.seed, device);
  const auto shown = std::min(command.shown, candidates.x0.size(0));
  const auto network =
      regression_on(model, set, weighting, command.draws, command.use.seed, device);
  const double ridge = command.ridge * fisher.trace() / static_cast<double>(fisher.space().dim());

  const auto asked = queries(command, model, device);
  Influence influence(fisher, ridge, candidates.all);
  add_queries(command, network, asked, influence);
  const auto scores = score(command, network, candidates, influence);
  const auto ranked = rank(scores, asked, candidates);
  write_scores(command.use.out + "/influence.csv", scores, ranked, candidates);
  write_picture(command.use.out + "/influence.png", asked, ranked, candidates, shown);
  fmt::print("{} ({} weights, step {}): {} of {} training images\n{}", model.source, model.weights,
             model.step, candidates.x0.size(0), candidates.all,
             to_text(summary(scores, ranked, candidates, shown, command.draws)));
  fmt::print("{0}/influence.png, {0}/influence.csv\n", command.use.out);
  return 0;
}

}  // namespace halcyon
