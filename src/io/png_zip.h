#pragma once

#include <string>

#include "io/image_sink.h"
#include "io/png_folder.h"

namespace halcyon {

/// Images as 00000.png, 00001.png, ... in an uncompressed zip archive.  They gather in the folder
/// PATH.part and are packed by finish().
class PngZip final : public ImageSink {
 public:
  PngZip(const ImageSinkOptions& options, SinkStart start);

  void write(int64_t first, const torch::Tensor& images) override { staged_.write(first, images); }
  torch::Tensor pixels(int64_t first, int64_t count) const override {
    return staged_.pixels(first, count);
  }
  void finish() override;
  void clean_up() override;

 private:
  std::string path_;
  std::string staging_;
  int64_t count_;
  PngFolder staged_;
};

}  // namespace halcyon
