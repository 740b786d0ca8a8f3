#include "cli/sample_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "cli/interrupt.h"
#include "cli/pictures.h"
#include "cli/progress.h"
#include "core/error.h"
#include "core/torch.h"
#include "io/atomic_file.h"
#include "io/background_tasks.h"
#include "io/png_folder.h"

namespace halcyon {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostInGrid = 256;

bool is_folder(const std::string& out) { return sink_format(out) == SinkFormat::folder; }

/// FOLDER/name, or X.extension beside X.zip.
std::string beside(const std::string& out, const char* name, const char* extension) {
  if (is_folder(out)) return out + "/" + name;
  return fs::path(out).replace_extension(extension).string();
}

std::string state_path(const std::string& out) {
  return unfinished_folder(out) + "/unfinished.json";
}

/// Stops at the next evaluation: a batch may take hours.
class StoppableDenoiser final : public Denoiser {
 public:
  explicit StoppableDenoiser(Denoiser& inner) : inner_(inner) {}

  torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor& sigma) override {
    stop_if_interrupted();
    return inner_.denoise(x, sigma);
  }

 private:
  Denoiser& inner_;
};

void require_finite(const torch::Tensor& images, int64_t first, uint64_t seed) {
  const auto finite = torch::isfinite(images).flatten(1).all(1);
  if (finite.all().item<bool>()) return;
  const auto index = first + finite.to(torch::kInt64).argmin().item<int64_t>();
  throw NonFiniteError(fmt::format(
      "image {} of seed {} is not finite; want other sampler options, and another --out", index,
      seed));
}

/// Takes away what a finished stream in the folder would leave beside that of `count` images.
void remove_finished(const std::string& folder, int64_t count) {
  const auto summary = folder + "/samples.json";
  const auto there = nlohmann::json::parse(read_file(summary), nullptr, /*allow_exceptions=*/false);
  const bool counted = there.is_object() && there.value("count", nlohmann::json()).is_number();
  const auto end = counted ? there["count"].get<int64_t>() : 0;
  remove_all(summary);
  remove_all(folder + "/grid.png");
  remove_all(folder + "/samples.safetensors");
  for (auto i = count; i < end && fs::exists(folder + "/" + PngFolder::name(i)); ++i) {
    remove_all(folder + "/" + PngFolder::name(i));
  }
}

}  // namespace

SampleStream::SampleStream(StreamOptions options)
    : options_(std::move(options)), state_(read_state()) {}

StreamState SampleStream::read_state() const {
  return {state_path(options_.out), options_.identity, options_.batch};
}

std::string SampleStream::grid_path() const { return beside(options_.out, "grid.png", ".png"); }

std::string SampleStream::trajectory_stem() const {
  if (is_folder(options_.out)) return options_.out + "/trajectory";
  return fs::path(options_.out).replace_extension("trajectory").string();
}

std::string SampleStream::summary_path() const {
  return beside(options_.out, "samples.json", ".json");
}

void SampleStream::open() {
  is_folder(options_.out) ? make_directory(options_.out) : require_file_place(options_.out);
  lock_.emplace(beside(options_.out, "unfinished.lock", ".lock"));
  state_ = read_state();  // another process may have come further since
  const auto start = resumed() ? SinkStart::resumed : SinkStart::anew;
  const auto& shape = options_.shape;
  ImageSinkOptions sink = {options_.out, options_.count, shape[0], shape[1], shape[2], to_pixels};
  if (!resumed() && fs::exists(summary_path())) {
    for (const char* picture : {".png", ".avi"}) remove_all(trajectory_stem() + picture);
    if (is_folder(options_.out)) remove_finished(options_.out, options_.count);
  }
  sinks_.push_back(make_image_sink(sink, start));
  if (options_.tensors) {
    sink.path = options_.out + "/samples.safetensors";
    sinks_.push_back(make_image_sink(sink, start));
  }
}

void SampleStream::run(int64_t batch, Denoiser& denoiser, const Draw& draw) {
  auto progress = state_.progress();
  progress.batch = batch;
  state_.save(progress);
  write_batches(denoiser, draw);
}

void SampleStream::write_batches(Denoiser& denoiser, const Draw& draw) {
  StoppableDenoiser stoppable(denoiser);
  auto progress = state_.progress();
  const double before = progress.seconds;
  Progress line("sampling", "images", options_.count, progress.done);
  BackgroundTasks writer;
  while (progress.done < options_.count) {
    const auto first = progress.done;
    const auto size = std::min(progress.batch, options_.count - first);
    const auto drawn = draw(stoppable, first, size);
    const auto images = drawn.images.to(torch::kCPU);
    require_finite(images, first, options_.seed);
    progress.done += size;
    progress.evaluations += size * drawn.nfe;
    progress.seconds = before + line.seconds();
    writer.add([this, first, images, progress] {
      for (const auto& sink : sinks_) sink->write(first, images);
      state_.save(progress);
    });
    line.update(progress.done);
  }
  writer.finish();
}

nlohmann::ordered_json SampleStream::nfe() const {
  const auto sum = progress().evaluations;
  if (sum % options_.count == 0) return sum / options_.count;
  return static_cast<double>(sum) / static_cast<double>(options_.count);
}

void SampleStream::finish(const nlohmann::ordered_json& summary) {
  write_pixel_grid(grid_path(), sinks_.front()->pixels(0, std::min(options_.count, kMostInGrid)));
  for (const auto& sink : sinks_) sink->finish();
  write_file_atomically(summary_path(), summary.dump(2) + "\n");
  state_.remove();
  for (const auto& sink : sinks_) sink->clean_up();
  lock_.reset();
}

}  // namespace halcyon
