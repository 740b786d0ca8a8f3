#include "cli/pictures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/torch.h"
#include "data/image_set.h"
#include "io/image_grid.h"

namespace halcyon {

int64_t picture_scale(int64_t height) { return std::max<int64_t>(1, 64 / height); }

torch::Tensor sample_grid(const torch::Tensor& pixels) {
  const auto count = static_cast<double>(pixels.size(0));
  const auto columns = static_cast<int64_t>(std::ceil(std::sqrt(count)));
  return image_grid(pixels, columns, /*padding=*/2, picture_scale(pixels.size(2)));
}

torch::Tensor draw_images(Denoiser& denoiser, const SamplerOptions& options,
                          const ModelRange& range, const std::vector<int64_t>& shape, uint64_t seed,
                          int64_t first, torch::Device device) {
  return draw_samples(*make_sampler(options), denoiser, shape, make_grid(options, range), seed,
                      first, torch::TensorOptions(device));
}

void write_sample_grid(const std::string& path, const torch::Tensor& x) {
  write_pixel_grid(path, to_pixels(x));
}

void write_pixel_grid(const std::string& path, const torch::Tensor& pixels) {
  write_png(path, sample_grid(pixels));
}

void write_denoising_picture(const std::string& path, Denoiser& denoiser, const torch::Tensor& x0,
                             uint64_t seed) {
  const torch::NoGradGuard no_grad;
  const std::vector<double> levels = {0.1, 0.2, 0.5, 1, 2, 5, 10};
  std::vector<std::string> captions = {"clean"};
  for (const double sigma : levels) captions.push_back(fmt::format("sigma {:g}", sigma));

  std::vector<LabelledRow> rows;
  for (int64_t i = 0; i < std::min<int64_t>(4, x0.size(0)); ++i) {
    const auto clean = x0.narrow(0, i, 1);
    NoiseSource source(seed, i, 1, x0.device());
    const auto noise = source.normal_like(clean);
    std::vector<torch::Tensor> noisy = {clean};
    std::vector<torch::Tensor> denoised = {clean};
    for (const double sigma : levels) {
      noisy.push_back(clean + sigma * noise);
      denoised.push_back(denoiser.denoise(noisy.back(), torch::full({1}, sigma, clean.options())));
    }
    rows.push_back({"noisy", to_pixels(torch::cat(noisy))});
    rows.push_back({"denoised", to_pixels(torch::cat(denoised))});
  }
  write_png(path, labelled_rows(rows, captions, picture_scale(x0.size(2))));
}

}  // namespace halcyon
