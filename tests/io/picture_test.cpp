#include <cstdlib>
#include <opencv2/imgcodecs.hpp>

#include "core/error.h"
#include "io/atomic_file.h"
#include "io/image_grid.h"
#include "io/plots.h"
#include "tests/io/io_test.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

/// RGB pixels [3, H, W] by OpenCV's decoder.
torch::Tensor decoded(const std::string& path) {
  const cv::Mat bgr = cv::imread(path, cv::IMREAD_COLOR);
  return torch::from_blob(bgr.data, {bgr.rows, bgr.cols, 3}, torch::kUInt8)
      .permute({2, 0, 1})
      .flip(0)
      .contiguous();
}

torch::Tensor random_images(std::vector<int64_t> shape) {
  return torch::randint(0, 256, shape, torch::kUInt8);
}

Plot loss_plot() {
  return {"a title", "step", "loss", true, true, {{"loss", {1, 10, 100}, {1, 0.1, 0.01}}}};
}

}  // namespace

TEST_CASE("a PNG holds the pixels of the picture with red first", "[io][roundtrip]") {
  const TemporaryDirectory folder;
  const auto path = folder / "x.png";
  const auto rgb = random_images({3, 5, 7});
  write_png(path, rgb);
  REQUIRE(torch::equal(decoded(path), rgb));
  write_png(path, random_images({2, 5, 7}).copy_(rgb.slice(0, 0, 2)));
  REQUIRE(torch::equal(decoded(path), rgb.slice(0, 0, 1).expand({3, 5, 7})));
  REQUIRE_THROWS_AS(write_png(folder / "none/x.png", rgb), FileError);
  REQUIRE_THROWS(write_png(path, rgb.to(torch::kFloat32)));
}

TEST_CASE("an image grid holds every image where it belongs", "[io][property]") {
  const auto images = random_images({5, 1, 3, 4});
  const auto grid = image_grid(images, /*columns=*/2, /*padding=*/1, /*scale=*/2);
  REQUIRE(grid.sizes() == torch::IntArrayRef({1, 1 + 3 * 7, 1 + 2 * 9}));
  const auto fourth = grid.narrow(1, 1 + 7, 6).narrow(2, 1 + 9, 8);
  for (const int64_t dy : {0, 1}) {
    for (const int64_t dx : {0, 1}) {
      REQUIRE(torch::equal(fourth.slice(1, dy, 6, 2).slice(2, dx, 8, 2), images[3]));
    }
  }
}

TEST_CASE("a labelled picture shows every image unharmed", "[io][property]") {
  const auto images = random_images({2, 3, 20, 30});
  const auto picture = labelled_rows({{"clean", images}, {"denoised", images.flip(0)}},
                                     {"sigma 0.1", "sigma 10"}, /*scale=*/1);
  const auto holds = [&](const torch::Tensor& image, int64_t from_row, int64_t from_column) {
    for (int64_t y = from_row; y + 20 <= picture.size(1); ++y) {
      for (int64_t x = from_column; x + 30 <= picture.size(2); ++x) {
        if (torch::equal(picture.narrow(1, y, 20).narrow(2, x, 30), image)) return true;
      }
    }
    return false;
  };
  REQUIRE(holds(images[0], 20, 80));
  REQUIRE(holds(images[0], 50, 160));
  REQUIRE_THROWS(labelled_rows({{"clean", images}}, {"one caption"}));
}

TEST_CASE("a plot becomes a picture of 1200 x 800", "[io][roundtrip]") {
  const TemporaryDirectory folder;
  const auto result = write_plot(folder / "x.png", loss_plot());
  if (!result.written && result.reason == "gnuplot is not installed") return;
  REQUIRE(result.reason == "");
  REQUIRE(decoded(folder / "x.png").sizes() == torch::IntArrayRef({3, 800, 1200}));
  REQUIRE(names_in(folder.string()) == std::set<std::string>{"x.png"});
}

TEST_CASE("a plot leaves out what cannot be drawn", "[io][property]") {
  const auto nan = std::nan("");
  auto plot = loss_plot();
  plot.series = {{"a", {1, 2, 0, 4, nan, 6}, {1, -1, 1, nan, 1, 0.5}, {2, 0, 0, 0, 0, nan}},
                 {"nothing", {1}, {0}}};
  const auto script = plot_script(plot);
  REQUIRE_THAT(script, Contains("\n6 0.5 0.5 0.5\nEOD\n"));
  REQUIRE_THAT(script, Contains("$d0 << EOD\n1 1 0.0"));  // the bar to 1 - 2 ends at the edge
  REQUIRE_THAT(script, !Contains("nothing"));
  plot.series = {{"nothing", {1}, {0}}};
  REQUIRE_FALSE(write_plot("unused.png", plot).written);
}

TEST_CASE("texts of a plot cannot give gnuplot commands", "[io][error]") {
  const TemporaryDirectory folder;
  const auto mark = folder / "mark";
  auto plot = loss_plot();
  const auto attack = "'; system('touch " + mark + "'); \"`touch " + mark + "`\n!touch " + mark +
                      "\nEOD @x {/Bold \\";
  plot.title = plot.x_label = plot.y_label = plot.series[0].title = attack;
  const auto result = write_plot(folder / "it's `x`.png", plot);
  REQUIRE_FALSE(std::filesystem::exists(mark));
  REQUIRE((result.written || result.reason == "gnuplot is not installed"));
}

TEST_CASE("a plot that cannot be made is reported and not thrown", "[io][error]") {
  const TemporaryDirectory folder;
  REQUIRE_FALSE(write_plot(folder / "none/x.png", loss_plot()).written);
  const std::string path = std::getenv("PATH");
  ::setenv("PATH", folder.string().c_str(), 1);
  const auto result = write_plot(folder / "x.png", loss_plot());
  ::setenv("PATH", path.c_str(), 1);
  REQUIRE_FALSE(result.written);
  REQUIRE(result.reason == "gnuplot is not installed");
  REQUIRE(names_in(folder.string()).empty());
}
