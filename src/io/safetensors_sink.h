#pragma once

#include <string>
#include <vector>

#include "io/file_descriptor.h"
#include "io/image_sink.h"

namespace halcyon {

/// Images as one float32 tensor "samples", [N, C, H, W] in model units, in a safetensors file.  It
/// has its full size from the start and is filled in place as PATH.part/samples; finish() moves it
/// to its own name.
class SafetensorsSink final : public ImageSink {
 public:
  SafetensorsSink(const ImageSinkOptions& options, SinkStart start);

  void write(int64_t first, const torch::Tensor& images) override;
  torch::Tensor pixels(int64_t first, int64_t count) const override;
  void finish() override;
  void clean_up() override;

 private:
  void create();
  void reopen();
  void seek(int64_t image) const;
  int64_t image_bytes() const;

  std::string path_;
  std::string part_;
  std::vector<int64_t> shape_;  // [N, C, H, W]
  PixelMap to_pixels_;
  std::string header_;
  FileDescriptor file_;
};

}  // namespace halcyon
