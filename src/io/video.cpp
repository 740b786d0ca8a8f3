#include "io/video.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/torch.h"
#include "io/atomic_file.h"

#ifdef HALCYON_HAS_VIDEO
#include <opencv2/videoio.hpp>
#endif

namespace halcyon {

#ifdef HALCYON_HAS_VIDEO

bool can_write_video() { return true; }

void write_video(const std::string& path, const torch::Tensor& frames, double frames_per_second) {
  TORCH_CHECK(frames.dim() == 4 && frames.scalar_type() == torch::kUInt8 && frames.numel() > 0,
              "write_video wants uint8 frames [T, C, H, W], got ", frames.sizes());
  require_file_place(path);
  const auto colours = frames.size(1) < 3 ? frames.narrow(1, 0, 1).expand({-1, 3, -1, -1})
                                          : frames.narrow(1, 0, 3).flip(1);  // OpenCV wants BGR
  const auto pixels = colours.permute({0, 2, 3, 1}).to(torch::kCPU).contiguous();
  const cv::Size size(static_cast<int>(pixels.size(2)), static_cast<int>(pixels.size(1)));
  const auto unfinished = path + ".tmp.avi";  // OpenCV goes by the extension
  cv::VideoWriter writer(unfinished, cv::CAP_OPENCV_MJPEG,
                         cv::VideoWriter::fourcc('M', 'J', 'P', 'G'), frames_per_second, size);
  if (!writer.isOpened()) throw FileError(fmt::format("cannot write {} as AVI", path));
  for (int64_t i = 0; i < pixels.size(0); ++i) {
    writer.write(cv::Mat(size, CV_8UC3, pixels[i].data_ptr()));
  }
  writer.release();
  move_file(unfinished, path);
}

#else

bool can_write_video() { return false; }

void write_video(const std::string& path, const torch::Tensor&, double) {
  throw FileError(fmt::format("cannot write {}: built without OpenCV's videoio", path));
}

#endif

}  // namespace halcyon
