#include "data/registry.h"

#include <fmt/format.h>

#include <filesystem>

#include "core/error.h"
#include "core/torch.h"
#include "data/cifar.h"
#include "data/idx.h"
#include "data/image_fitting.h"
#include "data/image_folder.h"
#include "data/image_zip.h"
#include "data/toy_distribution.h"

namespace halcyon {
namespace {

void check_range(const char* key, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return;
  throw ConfigError(fmt::format("data.{} = {}; wanted {} to {}", key, value, least, most));
}

void check_options(const DataOptions& options) {
  if (options.path.empty()) throw DataError("data.path is not set; wanted a file or folder");
  if (options.channels != 0 && options.channels != 1 && options.channels != 3) {
    throw ConfigError(fmt::format("data.channels = {}; wanted 0, 1 or 3", options.channels));
  }
  check_range("size", options.size, 0, 16384);
  check_range("background", options.background, 0, 255);
  check_range("limit", options.limit, 0, INT64_MAX);
}

const DataFormat& recognise(const std::string& path) {
  std::string known;
  for (const auto& format : data_format_registry()) {
    if (format.recognises(path)) return format;
    known += fmt::format("{}{} ({})", known.empty() ? "" : ", ", format.name, format.summary);
  }
  std::error_code error;
  const char* found =
      std::filesystem::exists(path, error) ? "a file of unknown content" : "no such file or folder";
  throw DataError(fmt::format("data.path = '{}': found {}; wanted one of: {}", path, found, known));
}

/// What `format` loads: where classes are chosen, all of it and with labels.
ImageSet load_to_choose(const DataFormat& format, DataOptions options) {
  if (!options.classes.empty()) {
    options.labels = true;
    options.limit = 0;
  }
  return format.load(options);
}

/// Only the images of options.classes; the labels stay if they are asked for.
void keep_classes(ImageSet& set, const DataOptions& options) {
  if (options.classes.empty()) return;
  auto kept = torch::zeros_like(set.labels, torch::kBool);
  for (const int64_t label : options.classes) {
    const auto own = set.labels == label;
    if (!own.any().item<bool>()) {
      throw DataError(
          fmt::format("data.classes: '{}' has no image of class {}; wanted classes in 0 .. {}",
                      options.path, label, set.labels.max().item<int64_t>()));
    }
    kept |= own;
  }
  const auto index = kept.nonzero().flatten();
  set.images = set.images.index_select(0, index);
  set.labels = options.labels ? set.labels.index_select(0, index) : torch::Tensor();
}

}  // namespace

const std::vector<DataFormat>& data_format_registry() {
  static const std::vector<DataFormat> formats = {
      {"toy", "toy:NAME, a distribution whose exact score is known", is_toy, load_toy},
      {"IDX", "a file or folder as of MNIST, gzip or plain", is_idx, load_idx},
      {"CIFAR-10 binary", "a batch file or the folder of them", is_cifar, load_cifar},
      {"image archive", "a zip of images, as of `halcyon sample --out X.zip`", is_image_zip,
       load_image_zip},
      {"image folder", "PNG, JPEG, BMP, WebP or TIFF, in any sub-folder; or one such file",
       is_image_folder, load_image_folder},
  };
  return formats;
}

ImageSet load_image_set(const DataOptions& options) {
  check_options(options);
  const auto& format = recognise(options.path);
  auto set = load_to_choose(format, options);
  set.format = format.name;
  if (!set.images.defined() || set.images.size(0) == 0) {
    throw DataError(
        fmt::format("data.path = '{}': found no images in it; wanted at least one", options.path));
  }
  keep_classes(set, options);
  if (options.limit > 0 && options.limit < set.images.size(0)) {
    set.images = set.images.narrow(0, 0, options.limit).clone();
    if (set.labels.defined()) set.labels = set.labels.narrow(0, 0, options.limit).clone();
  }
  if (!set.images.is_floating_point()) {
    set.images = fit_images(set.images, options.channels, options.size);
  }
  return set;
}

}  // namespace halcyon
