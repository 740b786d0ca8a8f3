#include "io/video.h"

#include <opencv2/imgcodecs.hpp>

#include "core/error.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

#ifdef HALCYON_HAS_VIDEO
#include <opencv2/videoio.hpp>
#endif

using namespace halcyon;
using namespace halcyon::testing;

#ifdef HALCYON_HAS_VIDEO

TEST_CASE("the frames of a video come back in order and colour", "[io][roundtrip]") {
  const TemporaryDirectory dir;
  const auto frames = torch::zeros({3, 3, 48, 40}, torch::kUInt8);
  for (int64_t i = 0; i < 3; ++i) frames[i][i].fill_(200);  // red, green, blue
  write_video(dir / "x.avi", frames, 8);
  REQUIRE_FALSE(std::filesystem::exists(dir / "x.avi.tmp.avi"));
  cv::VideoCapture video(dir / "x.avi", cv::CAP_OPENCV_MJPEG);
  REQUIRE(video.isOpened());
  for (int i = 0; i < 3; ++i) {
    cv::Mat picture;
    REQUIRE(video.read(picture));
    REQUIRE(picture.rows == 48);
    REQUIRE(picture.cols == 40);
    const auto mean = cv::mean(picture);  // BGR, after JPEG
    for (int c = 0; c < 3; ++c) REQUIRE(std::abs(mean[2 - c] - (c == i ? 200 : 0)) < 5);
  }
  cv::Mat none;
  REQUIRE_FALSE(video.read(none));
}

TEST_CASE("a video that has no place is a FileError with its name", "[io][error]") {
  const auto frames = torch::zeros({1, 1, 16, 16}, torch::kUInt8);
  REQUIRE_THROWS_WITH(write_video("/dev/null/x.avi", frames, 8), Contains("/dev/null"));
}

#else

TEST_CASE("a build without videoio says so", "[io][error]") {
  REQUIRE_FALSE(can_write_video());
  REQUIRE_THROWS_AS(write_video("x.avi", torch::zeros({1, 1, 16, 16}, torch::kUInt8), 8),
                    FileError);
}

#endif
