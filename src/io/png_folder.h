#pragma once

#include <string>

#include "io/image_sink.h"

namespace halcyon {

/// Images as 00000.png, 00001.png, ... in a folder.
class PngFolder final : public ImageSink {
 public:
  /// The folder is that of unfinished images of options.path.
  PngFolder(const ImageSinkOptions& options, SinkStart start);

  void write(int64_t first, const torch::Tensor& images) override;
  torch::Tensor pixels(int64_t first, int64_t count) const override;
  void finish() override {}
  void clean_up() override {}

  /// "00017.png"
  static std::string name(int64_t index);

 private:
  std::string file(int64_t index) const { return folder_ + "/" + name(index); }

  std::string folder_;
  PixelMap to_pixels_;
};

}  // namespace halcyon
