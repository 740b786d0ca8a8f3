#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace halcyon {

/// Which part of a set that comes in a training and a test part.
enum class DataSplit { train, test, all };

inline constexpr std::array<std::pair<DataSplit, const char*>, 3> enum_names(DataSplit) {
  return {{{DataSplit::train, "train"}, {DataSplit::test, "test"}, {DataSplit::all, "all"}}};
}

struct DataOptions {
  std::string path;
  DataSplit split = DataSplit::train;
  int64_t channels = 0;
  int64_t size = 0;
  bool labels = false;
  std::vector<int64_t> classes = {};
  int64_t background = 255;
  bool strict = false;
  bool flip = false;
  int64_t limit = 0;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.path, "path",
          "folder or zip of images, IDX or CIFAR-10 files or a folder of them, or toy:NAME");
    field(self.split, "split",
          "part of a set that has parts: train, test or all; to measure, the test part if none is "
          "named");
    field(self.channels, "channels", "1 gray, 3 RGB; 0 as found: 1 if every image is gray, else 3");
    field(self.size, "size", "side of the square images, in pixels; 0 as found");
    field(self.labels, "labels", "load class labels; sub-folders of an image folder are classes");
    field(self.classes, "classes", "use only images of these classes, by number; empty: all");
    field(self.background, "background", "gray value behind transparent images, 0 to 255");
    field(self.strict, "strict", "stop at an unreadable image file instead of warning");
    field(self.flip, "flip", "mirror training images left to right at random");
    field(self.limit, "limit", "use only the first so many images; 0 all");
  }
};

}  // namespace halcyon
