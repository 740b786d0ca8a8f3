#include "io/png_folder.h"

#include <fmt/format.h>

#include <vector>

#include "core/torch.h"
#include "io/image_grid.h"

namespace halcyon {

PngFolder::PngFolder(const ImageSinkOptions& options, SinkStart start)
    : folder_(unfinished_folder(options.path)), to_pixels_(options.to_pixels) {
  open_unfinished_folder(options.path, start);
}

void PngFolder::write(int64_t first, const torch::Tensor& images) {
  for (int64_t i = 0; i < images.size(0); ++i) write_png(file(first + i), to_pixels_(images[i]));
}

torch::Tensor PngFolder::pixels(int64_t first, int64_t count) const {
  std::vector<torch::Tensor> images;
  for (int64_t i = 0; i < count; ++i) images.push_back(read_png_pixels(file(first + i)));
  return torch::stack(images);
}

std::string PngFolder::name(int64_t index) { return fmt::format("{:05}.png", index); }

}  // namespace halcyon
