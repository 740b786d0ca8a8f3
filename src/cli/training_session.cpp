#include "cli/training_session.h"

#include <fmt/core.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "checkpoint/checkpoint.h"
#include "cli/band_columns.h"
#include "cli/film.h"
#include "cli/fisher_alarms.h"
#include "cli/interrupt.h"
#include "cli/pictures.h"
#include "cli/remembering.h"
#include "cli/report.h"
#include "config/text_value.h"
#include "core/error.h"
#include "core/random.h"
#include "core/recording_denoiser.h"
#include "core/require.h"
#include "core/torch.h"
#include "fisher/band_gradients.h"
#include "io/atomic_file.h"
#include "io/csv_reader.h"
#include "io/plots.h"

namespace halcyon {
namespace {

// In log.safetensors.
constexpr const char* kLossPrefix = "loss.";
constexpr const char* kBinsPrefix = "bins.";
constexpr const char* kNormsPrefix = "score_norms.";

constexpr int64_t kNormBands = 6;

ImageShape shape_of(const ImageSet& set) {
  return {set.images.size(1), set.images.size(2), set.images.size(3)};
}

int64_t class_count(const ImageSet& set) {
  return set.labels.defined() ? set.labels.max().item<int64_t>() + 1 : 0;
}

/// Initial weights come from LibTorch's default generator, seeded here and nowhere else.
std::shared_ptr<ScoreNetwork> seeded_network(const Recipe& recipe, const ImageSet& set) {
  auto rng = make_generator(recipe.randomness.seed, "weights");
  torch::manual_seed(rng.current_seed());
  return make_network(recipe.model, shape_of(set), class_count(set));
}

}  // namespace

TrainingSession::TrainingSession(const TrainingRun& options, RunDirectory directory,
                                 ImageSet images, const HeldOut& held_out, torch::Device device)
    : options_(options),
      directory_(std::move(directory)),
      images_(std::move(images)),
      held_out_split_(held_out.split),
      device_(device),
      shape_(shape_of(images_)),
      preconditioning_(make_preconditioning(options.recipe.preconditioning)),
      range_(model_range(*preconditioning_, options.recipe.preconditioning)),
      objective_(options.recipe.loss, options.recipe.preconditioning),
      state_(seeded_network(options.recipe, images_), options.recipe.ema,
             options.recipe.randomness.seed, device, options.recipe.loss.adaptive,
             options.recipe.optimizer.name),
      metrics_(directory_.metrics_csv(), directory_.metrics_jsonl()),
      loss_window_(2),
      fingerprint_(fingerprint(images_)),
      reference_(options.run.fisher_every > 0 ? fisher_reference(images_, options.recipe.data.path)
                                              : FisherReference()),
      mean_image_(mean_image(images_)),
      study_(held_out.set, options.fisher, range_, options.recipe.randomness.seed, device),
      training_bins_(study_.sigmas().front(), study_.sigmas().back(), options.fisher.levels,
                     study_.dim(), mean_image_),
      score_norms_(study_.sigmas().front(), study_.sigmas().back(), kNormBands) {
  if (options.run.fisher_every > 0) study_.require_enough_images();
  state_.network->use_type(scalar_type(options.recipe.training.precision));
  fmt::print("{} parameters in {} on {} images of {}x{}x{}\n", state_.parameters.count(),
             to_text(options.recipe.training.precision), images_.images.size(0), shape_.channels,
             shape_.height, shape_.width);
}

void TrainingSession::begin() {
  const auto& init = options_.recipe.training.init;
  if (!init.empty()) {
    load_initial_weights(init, state_);
    fmt::print("beginning with the weights of {}\n", init);
  }
  load_what_is_remembered();
}

void TrainingSession::load_what_is_remembered() {
  const auto& recipe = options_.recipe;
  remembered_ = load_consolidation(recipe, state_, shape_.channels * shape_.height * shape_.width);
  if (replayed_in_batch(recipe) == 0) return;
  replayed_ = replayed_images(options_, shape_, directory_.path("replay.safetensors"), device_);
}

void TrainingSession::require_same_bands() const {
  if (!std::filesystem::exists(directory_.metrics_csv())) return;
  const auto columns = read_csv(directory_.metrics_csv()).columns;
  if (columns.empty()) return;  // stopped while it wrote the header, which is written again
  const auto there = band_count(columns);
  require_option(options_.run.gradient_bands == there, "run.gradient_bands",
                 fmt::format("{}, as in the rows of {}", there, directory_.metrics_csv()).c_str(),
                 options_.run.gradient_bands);
}

void TrainingSession::resume() {
  require_same_bands();
  const auto steps = directory_.checkpoint_steps();
  if (!steps.empty()) {
    const auto folder = directory_.checkpoint(steps.back());
    require_same_recipe(folder, options_.recipe, fingerprint_);
    load_training_checkpoint(folder, state_);
    const auto log = read_safetensors(folder + "/log.safetensors").tensors;
    loss_window_.load(with_prefix(log, kLossPrefix));
    training_bins_.load(with_prefix(log, kBinsPrefix));
    const auto norms = with_prefix(log, kNormsPrefix);
    if (!norms.empty()) score_norms_.load(norms);  // older checkpoints have none
    load_what_is_remembered();
  } else {
    begin();
  }
  MetricsLog::truncate_after_step(directory_.metrics_csv(), directory_.metrics_jsonl(),
                                  state_.step);
  truncate_csv_after_step(directory_.fisher_levels(), state_.step - 1);
  fmt::print("resuming at step {}{}\n", state_.step,
             steps.empty() ? ": the run had no checkpoint yet" : "");
  if (state_.step == 0) return;
  open_events();
  report_state();
}

/// Readers of events forget the step of the checkpoint too: its row is told again, and its pictures
/// and table are made again.
void TrainingSession::open_events() {
  if (!options_.run.tensorboard || events_) return;
  events_.emplace(directory_.tensorboard(), state_.step);
  events_->begin(options_);
  if (state_.step == 0 || !std::filesystem::exists(directory_.metrics_csv())) return;
  const auto table = read_csv(directory_.metrics_csv());
  MetricsRow row;
  for (const auto& column : table.columns) {
    const auto values = column_numbers(table, column);
    if (!values.empty()) row.emplace_back(column, values.back());
  }
  const bool of_this_step = !row.empty() && row.front().second == static_cast<double>(state_.step);
  if (of_this_step) events_->metrics(row);
}

int TrainingSession::run() {
  const auto& recipe = options_.recipe;
  open_events();
  progress_.emplace("step", "steps", recipe.training.steps, state_.step);
  RecordedGradient recorded;
  TrainingTask task{recipe.training,
                    recipe.optimizer,
                    objective_,
                    *preconditioning_,
                    options_.run.graph ? &recorded : nullptr,
                    remembered_ ? &*remembered_ : nullptr};
  if (options_.run.gradient_bands > 0)
    task.look = std::bind_front(&TrainingSession::measure_bands, this);
  try {
    train(state_, task, batches(), [&](const StepReport& report) { return after_step(report); });
  } catch (const NonFiniteError& error) {
    const auto steps = directory_.checkpoint_steps();
    throw NonFiniteError(
        fmt::format("{}; the last good checkpoint is {}", error.what(),
                    steps.empty() ? std::string("none yet") : directory_.checkpoint(steps.back())));
  }
  progress_->clear();
  const bool saved =
      !directory_.checkpoint_steps().empty() && directory_.checkpoint_steps().back() == state_.step;
  if (!saved) checkpoint();
  const int signal = InterruptGuard::signal();
  if (signal != 0) {
    fmt::print("stopped by signal {} after step {}; --resume goes on from there\n", signal,
               state_.step);
    return 128 + signal;
  }
  plot_loss();
  if (events_) events_->end(state_.step);
  return 0;
}

std::function<TrainingBatch()> TrainingSession::batches() const {
  const auto& recipe = options_.recipe;
  const auto begin = state_.images / recipe.training.batch;
  const int64_t replayed = replayed_in_batch(recipe);
  const auto stream = [&](const ImageSet& set, int64_t count) {
    return std::make_shared<BatchStream>(set, count, recipe.data.flip, recipe.randomness.seed,
                                         begin, device_, residence());
  };
  const auto own = stream(images_, recipe.training.batch - replayed);
  if (replayed == 0) {
    return [own] {
      const auto batch = own->next();
      return TrainingBatch{batch.x0, batch.label};
    };
  }
  const auto drawn = stream(replayed_, replayed);
  return [own, drawn] { return TrainingBatch{torch::cat({own->next().x0, drawn->next().x0}), {}}; };
}

Residence TrainingSession::residence() const {
  constexpr size_t kMostBytes = 8'000'000'000;
  const auto wanted = options_.run.resident;
  const bool helps = device_.is_cuda() && images_.images.nbytes() <= kMostBytes;
  return wanted == Switch::on || (wanted == Switch::automatic && helps) ? Residence::device
                                                                        : Residence::host;
}

bool TrainingSession::due_at(int64_t step, int64_t every) const {
  return every > 0 && (step % every == 0 || step == options_.recipe.training.steps);
}

void TrainingSession::measure_bands(const StepObjective& objective, StepReport& report) const {
  if (!due_at(report.step, options_.run.log_every)) return;
  const auto bands =
      band_gradients(objective.sigma(), options_.run.gradient_bands,
                     [&](const torch::Tensor& index) { return objective.gradient(index); });
  for (size_t k = 0; k < bands.size(); ++k) {
    const auto& band = bands[k];
    const auto add = [&](const char* what, double value) {
      report.figures.emplace_back(band_column(static_cast<int64_t>(k), what), value);
    };
    add("sigma", std::sqrt(band.sigma_low * band.sigma_high));
    add("gradient", band.signal.value);
    add("gradient_se", band.signal.standard_error);
    add("snr", band.signal_to_noise.value);
    add("snr_se", band.signal_to_noise.standard_error);
  }
}

bool TrainingSession::after_step(const StepReport& report) {
  const auto& loss = report.loss;
  loss_window_.add(torch::stack({loss.weighted, loss.error}, 1));
  if (options_.run.fisher_every > 0) {
    training_bins_.add({report.x0, loss.noise, loss.sigma, loss.denoised});
    score_norms_.add(report.x0, loss.noise, loss.sigma, loss.denoised);
  }
  if (due(options_.run.log_every)) log_row(report);
  progress_->update(report.step,
                    fmt::format("{:.0f} images/s  loss {:.4f}  grad {:.3f}",
                                progress_->rate(report.step) *
                                    static_cast<double>(options_.recipe.training.batch),
                                report.loss.weighted.mean().item<double>(), report.grad_norm));
  // First what must not be lost; a resumed run makes the rest again.
  const bool last = report.step == options_.recipe.training.steps;
  if (last || due(options_.run.checkpoint_every)) checkpoint();
  if (InterruptGuard::signal() != 0) return false;
  report_state();
  return true;
}

void TrainingSession::report_state() {
  if (due(options_.run.sample_every)) draw_samples_picture();
  if (due(options_.run.fisher_every)) measure_fisher();
  if (due(options_.run.sample_every) || due(options_.run.fisher_every)) {
    refresh_report(directory_.path("."));
  }
}

void TrainingSession::log_row(const StepReport& report) {
  const auto loss = loss_window_.mean(0);
  const auto error = loss_window_.mean(1);
  MetricsRow row = {{"step", static_cast<double>(report.step)},
                    {"images", static_cast<double>(report.images)},
                    {"loss", loss.value},
                    {"loss_se", loss.standard_error},
                    {"x0_mse", error.value},
                    {"x0_mse_se", error.standard_error},
                    {"grad_norm", report.grad_norm},
                    {"learning_rate", report.learning_rate},
                    {"seconds", progress_->seconds()},
                    {"images_per_second", progress_->rate(report.step) *
                                              static_cast<double>(options_.recipe.training.batch)}};
  row.insert(row.end(), report.figures.begin(), report.figures.end());
  metrics_.append(row);
  if (events_) events_->metrics(row);
  loss_window_ = SampleMoments(2);
}

void TrainingSession::draw_samples_picture() {
  const ScopedValues averaged(state_.parameters, state_.emas.front().average);
  state_.network->eval();
  PreconditionedDenoiser denoiser(*state_.network, *preconditioning_);
  RecordingDenoiser record(denoiser, film_images(shape_.height, shape_.width));
  const auto x =
      draw_images(record, options_.sampler, range_,
                  {options_.run.sample_count, shape_.channels, shape_.height, shape_.width},
                  options_.recipe.randomness.seed, /*first=*/0, device_);
  write_sample_grid(directory_.samples(state_.step), x);
  write_film(directory_.film(), make_film(record.levels(), x, state_.step));
  write_denoising_picture(directory_.plot("denoising"), denoiser, study_.panel(4),
                          options_.recipe.randomness.seed);
  if (!events_) return;
  events_->picture(state_.step, "samples", directory_.samples(state_.step));
  events_->picture(state_.step, "denoising", directory_.plot("denoising"));
}

void TrainingSession::measure_fisher() {
  const ScopedValues averaged(state_.parameters, state_.emas.front().average);
  state_.network->eval();
  PreconditionedDenoiser denoiser(*state_.network, *preconditioning_);
  const auto levels = measure_levels(denoiser, study_, mean_image_, [](int64_t) {});
  const auto table = [&](const std::vector<FisherEstimates>& estimates, const FisherContext& of) {
    if (!estimates.empty()) {
      append_csv(directory_.fisher_levels(), fisher_table(estimates, of, reference_));
    }
  };
  table(training_bins_.estimates(), {state_.step, to_text(options_.recipe.data.split), "raw"});
  training_bins_.clear();
  table(levels, {state_.step, held_out_split_, "ema"});
  const nlohmann::json summary = {{"step", state_.step},
                                  {"split", held_out_split_},
                                  {"weights", "ema"},
                                  {"alarms", fisher_alarms(levels, reference_)}};
  write_file_atomically(directory_.path("fisher_summary.json"), summary.dump(2) + "\n");
  const auto reason = plot_fisher(directory_.path("plots"), levels, reference_);
  if (events_) {
    events_->fisher(state_.step, levels);
    events_->score_norms(state_.step, score_norms_);
    if (reason.empty()) {
      events_->picture(state_.step, "fisher_information", directory_.plot("fisher_information"));
    }
  }
  score_norms_.clear();
  if (progress_) progress_->clear();
  if (!reason.empty()) fmt::print(stderr, "warning: no Fisher plot: {}\n", reason);
  if (state_.step == options_.recipe.training.steps) {
    fmt::print("Fisher information of the noised data on {} {} images a level (EMA weights):\n{}",
               study_.count(), held_out_split_, to_text(fisher_summary(levels, reference_)));
  }
}

void TrainingSession::checkpoint() {
  auto files = checkpoint_files(state_, options_.recipe, shape_, fingerprint_);
  auto& log = files["log.safetensors"].tensors;
  insert_with_prefix(log, kLossPrefix, loss_window_.state());
  insert_with_prefix(log, kBinsPrefix, training_bins_.state());
  insert_with_prefix(log, kNormsPrefix, score_norms_.state());
  directory_.save_checkpoint(state_.step, files, options_.run.keep_checkpoints);
}

void TrainingSession::plot_loss() const {
  PlotSeries loss{.title = "loss (mean of a log interval)", .x = {}, .y = {}};
  for (const auto& [step, value] : read_metric(directory_.metrics_jsonl(), "loss")) {
    loss.x.push_back(step);
    loss.y.push_back(value);
  }
  write_plot(directory_.plot("loss"), {.title = "Training loss",
                                       .x_label = "step",
                                       .y_label = "denoising score matching loss",
                                       .log_y = true,
                                       .series = {loss}});
}

}  // namespace halcyon
