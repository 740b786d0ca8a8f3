#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>

namespace halcyon {

/// Takes images as they are made and turns them into files.  What is in memory does not grow with
/// their number, and what write() took outlives the process: a sink opened as `resumed` goes on.
/// Every failure is a FileError that names the file and the system's reason.
class ImageSink {
 public:
  virtual ~ImageSink() = default;

  /// Images first .. first + B - 1, [B, C, H, W] in model units.  Written again, they replace the
  /// earlier ones.
  virtual void write(int64_t first, const torch::Tensor& images) = 0;

  /// Images first .. first + count - 1 as they were written, by this process or an earlier one:
  /// uint8 [count, C, H, W].
  virtual torch::Tensor pixels(int64_t first, int64_t count) const = 0;

  /// Puts the files in their places.  May be repeated, also by another process.
  virtual void finish() = 0;

  /// Removes what only a repetition of finish() would need.
  virtual void clean_up() = 0;
};

/// `anew` begins with nothing; `resumed` takes up what an earlier process wrote.
enum class SinkStart { anew, resumed };

/// uint8 pixels of images in model units, of the same shape.
using PixelMap = torch::Tensor (*)(const torch::Tensor& images);

struct ImageSinkOptions {
  std::string path;
  int64_t count;  ///< all the images that there will be
  int64_t channels;
  int64_t height;
  int64_t width;
  PixelMap to_pixels;
};

enum class SinkFormat { folder, zip, safetensors };

/// A path that ends with ".zip" or ".safetensors" is a file of that format, all others are folders.
SinkFormat sink_format(const std::string& path);

/// Where the images of a path gather until they are finished: the folder itself, or PATH.part.
std::string unfinished_folder(const std::string& path);

/// Makes it, empty if `start` is anew and it is not the path itself, and clears away what a killed
/// process left half-written.  @throws FileError, also if `path` is to be a file and cannot be one
void open_unfinished_folder(const std::string& path, SinkStart start);

/// The sink that the path asks for.  @throws FileError
std::unique_ptr<ImageSink> make_image_sink(const ImageSinkOptions& options, SinkStart start);

}  // namespace halcyon
