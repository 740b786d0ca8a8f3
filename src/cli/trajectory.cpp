#include "cli/trajectory.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "cli/pictures.h"
#include "core/torch.h"
#include "data/image_set.h"
#include "io/image_grid.h"
#include "io/video.h"

namespace halcyon {
namespace {

constexpr size_t kMostShown = 16;
constexpr double kFramesPerSecond = 10;
constexpr int64_t kFramesAtEnd = 15;

/// Positions of at most kMostShown of `count`, evenly spaced, the first and the last among them.
std::vector<size_t> evenly_spaced(size_t count) {
  const auto shown = std::min(count, kMostShown);
  std::vector<size_t> positions(shown);
  for (size_t i = 1; i < shown; ++i)
    positions[i] = (i * (count - 1) + (shown - 1) / 2) / (shown - 1);
  return positions;
}

struct Stage {
  std::string caption;
  torch::Tensor images;  // uint8 [N, C, H, W]
};

std::vector<Stage> stages_of(const RecordingDenoiser::Levels& levels,
                             const torch::Tensor& samples) {
  std::vector<Stage> stages;
  for (const auto& [sigma, denoised] : levels) {
    stages.push_back({fmt::format("{:.2g}", sigma), to_pixels(denoised)});
  }
  const auto count = stages.front().images.size(0);
  stages.push_back({"sample", to_pixels(samples.narrow(0, 0, count).to(torch::kCPU))});
  return stages;
}

void write_strip(const std::string& path, const std::vector<Stage>& stages) {
  std::vector<std::string> captions;
  std::vector<torch::Tensor> columns;
  for (const auto position : evenly_spaced(stages.size() - 1)) {
    captions.push_back(stages[position].caption);
    columns.push_back(stages[position].images);
  }
  captions.front() = "sigma " + captions.front();
  captions.push_back(stages.back().caption);
  columns.push_back(stages.back().images);
  const auto images = torch::stack(columns, 1);  // [N, columns, C, H, W]
  std::vector<LabelledRow> rows;
  for (int64_t i = 0; i < images.size(0); ++i) rows.push_back({std::to_string(i), images[i]});
  write_png(path, labelled_rows(rows, captions, picture_scale(images.size(3))));
}

void write_film(const std::string& path, const std::vector<Stage>& stages) {
  std::vector<torch::Tensor> frames;
  for (const auto& stage : stages) frames.push_back(sample_grid(stage.images));
  frames.insert(frames.end(), kFramesAtEnd, frames.back());
  write_video(path, torch::stack(frames), kFramesPerSecond);
}

}  // namespace

void write_trajectory(const std::string& stem, const RecordingDenoiser::Levels& levels,
                      const torch::Tensor& samples) {
  const auto stages = stages_of(levels, samples);
  write_strip(stem + ".png", stages);
  if (can_write_video()) {
    write_film(stem + ".avi", stages);
  } else {
    fmt::print("no {}.avi: built without OpenCV's videoio\n", stem);
  }
}

}  // namespace halcyon
