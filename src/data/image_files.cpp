#include "data/image_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/error.h"
#include "core/torch.h"
#include "data/image_decoding.h"
#include "data/image_fitting.h"

namespace halcyon {
namespace {

struct Reading {
  std::vector<std::string> names;  // of the images
  std::vector<torch::Tensor> images;
  std::vector<std::string> failures;  // "name (reason)"
  size_t tried = 0;
};

/// Reads files until options.limit of them were readable.
Reading read_images(const std::vector<std::string>& names, const DataOptions& options,
                    const ReadFiles& read) {
  Reading done;
  const size_t all = names.size();
  const size_t wanted = options.limit > 0 ? std::min<size_t>(options.limit, all) : all;
  while (done.images.size() < wanted && done.tried < all) {
    const size_t first = done.tried;
    const size_t count = std::min(wanted - done.images.size(), all - first);
    std::vector<torch::Tensor> images(count);
    std::vector<std::string> reasons(count);
    read(first, count, [&](size_t index, const FileBytes& bytes) {
      try {
        images[index - first] =
            fit_image(decode_image(bytes(), options.background), options.channels, options.size);
      } catch (const DataError& e) {
        reasons[index - first] = e.what();
      }
    });
    for (size_t i = 0; i < count; ++i) {
      const auto& name = names[first + i];
      if (images[i].defined()) {
        done.names.push_back(name);
        done.images.push_back(images[i]);
      } else {
        done.failures.push_back(fmt::format("{} ({})", name, reasons[i]));
      }
    }
    done.tried += count;
  }
  return done;
}

std::string failure_line(const Reading& reading) {
  constexpr size_t kNamed = 5;
  const size_t count = reading.failures.size();
  auto line = fmt::format("{} of {} files could not be read: {}", count, reading.tried,
                          reading.failures[0]);
  for (size_t i = 1; i < std::min(count, kNamed); ++i) line += ", " + reading.failures[i];
  if (count > kNamed) line += fmt::format(" and {} more", count - kNamed);
  return line;
}

/// Releases each image once it is copied.  C is 3 if any image has colour.
torch::Tensor stacked(Reading& reading, const std::string& path) {
  auto shape = reading.images[0].sizes().vec();
  for (size_t i = 1; i < reading.images.size(); ++i) {
    const auto& image = reading.images[i];
    if (image.size(1) != shape[1] || image.size(2) != shape[2]) {
      throw DataError(fmt::format(
          "data.path = '{}': found {} of {} x {} pixels but {} of {} x {}; wanted one size: set "
          "data.size to crop and resize them",
          path, reading.names[0], shape[2], shape[1], reading.names[i], image.size(2),
          image.size(1)));
    }
    shape[0] = std::max(shape[0], image.size(0));
  }
  shape.insert(shape.begin(), static_cast<int64_t>(reading.images.size()));
  const auto images = torch::empty(shape, torch::kUInt8);
  for (int64_t i = 0; i < shape[0]; ++i) {
    images[i].copy_(reading.images[i]);
    reading.images[i].reset();
  }
  return images;
}

std::string class_of(const std::string& name, const std::string& path) {
  const auto slash = name.find('/');
  if (slash != std::string::npos) return name.substr(0, slash);
  throw DataError(
      fmt::format("data.path = '{}': found {} in no sub-folder; wanted every image in "
                  "the sub-folder of its class, or data.labels = false",
                  path, name));
}

std::vector<std::string> class_names(const std::vector<std::string>& names,
                                     const std::string& path) {
  std::set<std::string> classes;
  for (const auto& name : names) classes.insert(class_of(name, path));
  return {classes.begin(), classes.end()};
}

torch::Tensor class_labels(const Reading& reading, const std::vector<std::string>& classes,
                           const std::string& path) {
  std::vector<int64_t> labels;
  for (const auto& name : reading.names) {
    const auto found = std::lower_bound(classes.begin(), classes.end(), class_of(name, path));
    labels.push_back(found - classes.begin());
  }
  return torch::tensor(labels, torch::kInt64);
}

}  // namespace

bool named_like_image(const std::string& name) {
  static const std::set<std::string> extensions = {".png",  ".jpg", ".jpeg", ".bmp",
                                                   ".webp", ".tif", ".tiff"};
  auto extension = std::filesystem::path(name).extension().string();
  for (auto& c : extension) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return extensions.count(extension) > 0;
}

ImageSet read_image_files(const std::vector<std::string>& names, const DataOptions& options,
                          const ReadFiles& read) {
  ImageSet set;
  if (options.labels) set.class_names = class_names(names, options.path);
  auto reading = read_images(names, options, read);
  if (!reading.failures.empty()) {
    const auto line = failure_line(reading);
    if (options.strict || reading.images.empty()) {
      throw DataError(
          fmt::format("data.path = '{}': {}; wanted readable images", options.path, line));
    }
    set.warnings.push_back(line);
  }
  if (options.labels) set.labels = class_labels(reading, set.class_names, options.path);
  set.images = stacked(reading, options.path);
  return set;
}

}  // namespace halcyon
