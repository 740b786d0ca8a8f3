#include "cli/film.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "cli/pictures.h"
#include "core/error.h"
#include "core/torch.h"
#include "data/image_set.h"
#include "io/picture_text.h"
#include "io/safetensors.h"

namespace halcyon {
namespace {

constexpr int64_t kSide = 128;  // pixels of a frame before they are enlarged, about
constexpr int64_t kMostAcross = 4;
constexpr size_t kMostFrames = 24;

std::string caption(double sigma) {
  return sigma > 0 ? fmt::format("sigma {:.2g}", sigma) : "sample";
}

/// The images of a frame above its caption.
torch::Tensor frame(const torch::Tensor& images, const std::string& words, TextSize room) {
  const auto grid = sample_grid(images);
  const auto width = std::max(grid.size(2), room.width + 2 * kMargin);
  const auto height = grid.size(1) + room.height + kMargin;
  auto text = torch::full({height, width}, kPaper, torch::kUInt8);
  draw_text(text, words, width / 2, grid.size(1) + (height - grid.size(1)) / 2, TextAlign::centre);
  auto picture = text.expand({3, -1, -1}).contiguous();
  picture.narrow(1, 0, grid.size(1))
      .narrow(2, (width - grid.size(2)) / 2, grid.size(2))
      .copy_(grid);
  return picture;
}

int64_t step_in(const Metadata& metadata) {
  const auto found = metadata.find("step");
  int64_t step = 0;
  if (found == metadata.end()) return step;
  std::from_chars(found->second.data(), found->second.data() + found->second.size(), step);
  return step;
}

}  // namespace

int64_t film_images(int64_t height, int64_t width) {
  const auto across = std::clamp<int64_t>(kSide / std::max(height, width), 1, kMostAcross);
  return across * across;
}

Film make_film(const RecordingDenoiser::Levels& levels, const torch::Tensor& samples,
               int64_t step) {
  TORCH_CHECK(!levels.empty(), "a film wants a recorded level");
  const auto shown = std::min(levels.size(), kMostFrames - 1);
  Film film{.step = step, .sigmas = {}, .frames = {}};
  std::vector<torch::Tensor> frames;
  size_t at = 0;
  for (const auto& [sigma, denoised] : levels) {
    const auto next = shown == 1 ? 0 : frames.size() * (levels.size() - 1) / (shown - 1);
    if (at++ != next) continue;
    film.sigmas.push_back(sigma);
    frames.push_back(to_pixels(denoised));
  }
  film.sigmas.push_back(0);
  frames.push_back(to_pixels(samples.narrow(0, 0, frames.front().size(0)).to(torch::kCPU)));
  film.frames = torch::stack(frames);
  return film;
}

void write_film(const std::string& path, const Film& film) {
  write_safetensors(
      path, {{"sigma", torch::tensor(film.sigmas, torch::kFloat64)}, {"frames", film.frames}},
      {{"step", std::to_string(film.step)}});
}

Film read_film(const std::string& path) {
  const auto file = read_safetensors(path);
  const auto sigma = file.tensors.find("sigma"), frames = file.tensors.find("frames");
  const bool sound = sigma != file.tensors.end() && frames != file.tensors.end() &&
                     sigma->second.dim() == 1 && frames->second.dim() == 5 &&
                     sigma->second.size(0) == frames->second.size(0) &&
                     sigma->second.scalar_type() == torch::kFloat64 &&
                     frames->second.scalar_type() == torch::kUInt8 && frames->second.numel() > 0 &&
                     frames->second.size(0) <= static_cast<int64_t>(kMostFrames);
  if (!sound) {
    throw CheckpointError(fmt::format(
        "{} is no film: want 'sigma', float64 [F], and 'frames', uint8 [F, N, C, H, W], F <= {}",
        path, kMostFrames));
  }
  const auto* first = sigma->second.data_ptr<double>();
  return {step_in(file.metadata), {first, first + sigma->second.numel()}, frames->second};
}

torch::Tensor film_strip(const Film& film) {
  std::vector<std::string> captions;
  for (const double sigma : film.sigmas) captions.push_back(caption(sigma));
  const auto room = text_bounds(captions);
  std::vector<torch::Tensor> pictures;
  for (size_t i = 0; i < captions.size(); ++i) {
    pictures.push_back(frame(film.frames[static_cast<int64_t>(i)], captions[i], room));
  }
  return torch::cat(pictures, 2);
}

}  // namespace halcyon
