#include "cli/restore_task.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/random.h"
#include "core/registry.h"
#include "core/require.h"
#include "core/torch.h"
#include "io/image_grid.h"

namespace halcyon {
namespace {

using Shape = std::vector<int64_t>;

/// [H, W], false in a box in the middle.
torch::Tensor box_mask(const Shape& shape, double share) {
  auto seen = torch::ones({shape[1], shape[2]}, torch::kBool);
  const auto hide = [&](int64_t side) {
    return std::max<int64_t>(1, std::lround(share * static_cast<double>(side)));
  };
  const auto height = hide(shape[1]);
  const auto width = hide(shape[2]);
  seen.narrow(0, (shape[1] - height) / 2, height)
      .narrow(1, (shape[2] - width) / 2, width)
      .fill_(false);
  return seen;
}

torch::Tensor random_mask(const Shape& shape, double share, uint64_t seed) {
  auto rng = make_generator(seed, "mask");
  return torch::rand({shape[1], shape[2]}, rng, torch::kFloat64) >= share;
}

torch::Tensor mask_of_file(const Shape& shape, const std::string& path) {
  const auto pixels = read_png_pixels(path).to(torch::kFloat32).mean(0);
  if (pixels.size(0) != shape[1] || pixels.size(1) != shape[2]) {
    throw DataError(fmt::format("inpaint.mask: '{}' is {}x{}; want the images' {}x{}", path,
                                pixels.size(0), pixels.size(1), shape[1], shape[2]));
  }
  return pixels > 127.5;
}

std::unique_ptr<LinearOperator> make_mask(const RestoreTaskOptions& options, const Shape& shape,
                                          uint64_t seed) {
  const auto& [mask, share] = options.inpaint;
  require_option(share > 0 && share < 1, "inpaint.share", "a number in (0, 1)", share);
  const auto seen = mask == "box"      ? box_mask(shape, share)
                    : mask == "random" ? random_mask(shape, share, seed)
                                       : mask_of_file(shape, mask);
  return std::make_unique<MaskOperator>(seen.expand({shape[0], shape[1], shape[2]}).contiguous());
}

std::unique_ptr<LinearOperator> make_pooling(const RestoreTaskOptions& options, const Shape& shape,
                                             uint64_t) {
  return std::make_unique<PoolingOperator>(shape, options.superresolve.factor);
}

std::unique_ptr<LinearOperator> make_blur(const RestoreTaskOptions& options, const Shape& shape,
                                          uint64_t) {
  return std::make_unique<BlurOperator>(shape, options.deblur.width);
}

std::unique_ptr<LinearOperator> make_channel_mean(const RestoreTaskOptions&, const Shape& shape,
                                                  uint64_t) {
  if (shape[0] == 1) {
    throw ConfigError("--task: colourise wants a model of colour images, and this has 1 channel");
  }
  return std::make_unique<ChannelMeanOperator>(shape);
}

}  // namespace

const std::vector<RestoreTask>& restore_tasks() {
  static const std::vector<RestoreTask> entries = {
      {"inpaint", "pixels are hidden: inpaint.mask", make_mask},
      {"superresolve", "means over blocks of pixels: superresolve.factor", make_pooling},
      {"deblur", "a Gaussian on the torus: deblur.width", make_blur},
      {"colourise", "the mean of the channels", make_channel_mean},
  };
  return entries;
}

std::unique_ptr<LinearOperator> make_operator(const std::string& name,
                                              const RestoreTaskOptions& options,
                                              const std::vector<int64_t>& shape, uint64_t seed) {
  return find_entry(restore_tasks(), name, "--task").make(options, shape, seed);
}

torch::Tensor as_picture(const LinearOperator& measure, const torch::Tensor& y) {
  return measure.measurement_shape() == measure.image_shape() ? y : measure.pseudo_inverse(y);
}

}  // namespace halcyon
