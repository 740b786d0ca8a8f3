#include <opencv2/imgcodecs.hpp>

#include "core/error.h"
#include "tests/data/written_files.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

std::string encoded(const std::string& extension, const cv::Mat& image,
                    const std::vector<int>& parameters = {}) {
  std::vector<unsigned char> bytes;
  REQUIRE(cv::imencode(extension, image, bytes, parameters));
  return {bytes.begin(), bytes.end()};
}

/// The left half red, the right half blue, 16 wide and 8 high.
cv::Mat red_and_blue() {
  cv::Mat image(8, 16, CV_8UC3, cv::Scalar(0, 0, 255));
  image.colRange(8, 16) = cv::Scalar(255, 0, 0);
  return image;
}

/// The only image of a folder with one file.
torch::Tensor loaded(const std::string& bytes, DataOptions options = {},
                     const std::string& name = "a.png") {
  const TemporaryFolder folder;
  folder.write(name, bytes);
  options.path = folder.path().string();
  const auto set = load_image_set(options);
  REQUIRE(set.images.size(0) == 1);
  REQUIRE(set.warnings.empty());
  return set.images[0];
}

}  // namespace

TEST_CASE("a PNG of any colour type becomes 8-bit gray or RGB as documented", "[data]") {
  const auto palette = png_chunk("PLTE", text_of({10, 20, 30, 200, 100, 50}));
  CHECK(torch::equal(loaded(png(2, 1, 8, 0, text_of({7, 250}))), pixels({7, 250}, {1, 1, 2})));
  CHECK(torch::equal(loaded(png(2, 1, 1, 0, text_of({0x40}))), pixels({0, 255}, {1, 1, 2})));
  CHECK(torch::equal(loaded(png(1, 2, 8, 2, text_of({1, 2, 3, 4, 5, 6}))),
                     pixels({1, 4, 2, 5, 3, 6}, {3, 2, 1})));
  CHECK(torch::equal(loaded(png(2, 1, 8, 3, text_of({1, 0}), palette)),
                     pixels({200, 10, 100, 20, 50, 30}, {3, 1, 2})));
  // Palette entry 1 is left half-transparent white over the gray background 100.
  const auto half =
      png_chunk("PLTE", text_of({0, 0, 0, 255, 255, 255})) + png_chunk("tRNS", text_of({255, 51}));
  DataOptions over_100;
  over_100.background = 100;
  CHECK(torch::equal(loaded(png(2, 1, 8, 3, text_of({0, 1}), half), over_100),
                     pixels({0, 131, 0, 131, 0, 131}, {3, 1, 2})));
  // 16 bits: 128 * 257 is 128, and 257 / 2 rounds by the 16-bit value, not its high byte.
  CHECK(torch::equal(loaded(png(4, 1, 16, 0, text_of({128, 128, 0, 128, 0, 129, 255, 255}))),
                     pixels({128, 0, 1, 255}, {1, 1, 4})));
}

TEST_CASE("alpha is composed over the background and keeps gray gray", "[data]") {
  // c a / 255 + background (255 - a) / 255, with a = 0, 51 (one fifth) and 255.
  const auto rgba = png(3, 1, 8, 6, text_of({9, 9, 9, 0, 200, 100, 0, 51, 1, 2, 3, 255}));
  CHECK(torch::equal(loaded(rgba), pixels({255, 244, 1, 255, 224, 2, 255, 204, 3}, {3, 1, 3})));
  const auto gray_alpha = png(3, 1, 8, 4, text_of({9, 0, 200, 51, 77, 255}));
  DataOptions over_black;
  over_black.background = 0;
  CHECK(torch::equal(loaded(gray_alpha, over_black), pixels({0, 40, 77}, {1, 1, 3})));
  CHECK(torch::equal(loaded(gray_alpha), pixels({255, 244, 77}, {1, 1, 3})));
  const auto deep = png(1, 1, 16, 6, text_of({255, 255, 128, 128, 0, 0, 51, 51}));
  CHECK(torch::equal(loaded(deep, over_black), pixels({51, 26, 0}, {3, 1, 1})));
}

TEST_CASE("JPEG, BMP, WebP and TIFF keep their pixels and channel order", "[data]") {
  const auto image = red_and_blue();
  const auto red = pixels({255, 0, 0}, {3, 1, 1}).expand({3, 8, 8});
  const auto blue = pixels({0, 0, 255}, {3, 1, 1}).expand({3, 8, 8});
  const auto expected = torch::cat({red, blue}, 2);
  CHECK(torch::equal(loaded(encoded(".bmp", image), {}, "a.BMP"), expected));
  CHECK(torch::equal(loaded(encoded(".tiff", image), {}, "a.tif"), expected));
  CHECK(torch::equal(loaded(encoded(".webp", image, {cv::IMWRITE_WEBP_QUALITY, 101}), {}, "a.webp"),
                     expected));
  const auto jpeg = loaded(encoded(".jpg", image, {cv::IMWRITE_JPEG_QUALITY, 100}), {}, "a.jpeg");
  const auto error = (jpeg.to(torch::kInt) - expected.to(torch::kInt)).abs();
  CHECK(error.narrow(2, 0, 6).max().item<int>() <= 3);  // colour is coarser, so not at the edge
  CHECK(error.narrow(2, 10, 6).max().item<int>() <= 3);
  const cv::Mat gray(8, 8, CV_8UC1, cv::Scalar(90));
  CHECK(torch::equal(loaded(encoded(".jpg", gray), {}, "a.jpg"),
                     pixels({90}, {1, 1, 1}).expand({1, 8, 8})));
  const cv::Mat deep(2, 3, CV_16UC1, cv::Scalar(200 * 257));
  CHECK(torch::equal(loaded(encoded(".tiff", deep), {}, "a.tiff"),
                     pixels({200}, {1, 1, 1}).expand({1, 2, 3})));
  CHECK(torch::equal(loaded(encoded(".bmp", image), {}, "misnamed.png"), expected));
}

TEST_CASE("a JPEG is turned upright as its EXIF orientation says", "[data]") {
  auto jpeg = encoded(".jpg", red_and_blue(), {cv::IMWRITE_JPEG_QUALITY, 100});
  // One TIFF directory with one entry: tag 0x0112 (orientation), a short, 6: turn right.
  const auto exif = "Exif" + text_of({0, 0}) + "MM" + text_of({0, 42, 0, 0, 0, 8, 0, 1}) +
                    text_of({1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0});
  jpeg.insert(2, "\xFF\xE1" + big_endian(static_cast<int64_t>(exif.size()) + 2, 2) + exif);
  const auto upright = loaded(jpeg, {}, "a.jpg");
  REQUIRE(upright.sizes() == at::IntArrayRef({3, 16, 8}));
  CHECK(upright[0][1][4].item<int>() > 250);  // red is on top
  CHECK(upright[2][14][4].item<int>() > 250);
}

TEST_CASE("an unreadable file is named in one warning, or thrown under strict", "[data][error]") {
  const TemporaryFolder folder;
  const auto whole = encoded(".png", red_and_blue());
  auto jpeg = encoded(".jpg", red_and_blue());
  // An EXIF thumbnail has an end-of-image marker too, which is not the end of the file.
  jpeg.insert(2, "\xFF\xE1" + big_endian(8, 2) + "\xFF\xD8\xFF\xD9" + text_of({0, 0}));
  folder.write("ok.png", whole);
  folder.write("cut.png", whole.substr(0, whole.size() - 12));
  folder.write("cut.jpg", jpeg.substr(0, jpeg.size() - 2));
  folder.write("empty.png", "");
  folder.write("text.png", "not an image\n");
  folder.write("bomb.png", png(30000, 30000, 8, 0, ""));
  const auto bmp = encoded(".bmp", red_and_blue());
  folder.write("zcut.bmp", bmp.substr(0, bmp.size() - 100));
  std::filesystem::create_symlink("nowhere", folder.path() / "zlink.png");
  folder.write(".hidden.png", "");
  folder.write("notes.txt", "");

  const auto set = load_image_set(folder.options());
  CHECK(set.images.size(0) == 1);
  CHECK(set.format == "image folder");
  REQUIRE(set.warnings.size() == 1);
  CHECK(set.warnings[0] ==
        "7 of 8 files could not be read: bomb.png (declares 900000000 pixels, more than 2^28), "
        "cut.jpg (truncated), cut.png (truncated), empty.png (empty file), text.png (not a PNG, "
        "JPEG, BMP, WebP or TIFF file) and 2 more");

  auto options = folder.options();
  options.strict = true;
  CHECK_THROWS_WITH(load_image_set(options), Contains("cut.jpg (truncated)"));
  options = folder.options();
  options.path += "/text.png";
  CHECK_THROWS_WITH(load_image_set(options), Contains("1 of 1 files could not be read: text.png"));
}

TEST_CASE("every image cut short anywhere is unreadable and none crashes", "[data][error]") {
  const auto extension = GENERATE(".png", ".jpg", ".bmp", ".webp", ".tiff");
  const auto whole = encoded(extension, red_and_blue());
  const TemporaryFolder folder;
  folder.write("0_whole.png", encoded(".png", red_and_blue()));
  const int cuts = 23;
  for (int i = 1; i <= cuts; ++i) {
    folder.write("cut" + std::to_string(i) + extension, whole.substr(0, whole.size() * i / 24));
  }
  const auto set = load_image_set(folder.options());
  INFO(extension);
  CHECK(set.images.size(0) == 1);
}

TEST_CASE("classes are the sub-folders by name and files come in path order", "[data]") {
  const TemporaryFolder folder;
  folder.write("zebra/1.png", gray_png(2, 2, 30));
  folder.write("ant/deep/2.png", gray_png(2, 2, 10));
  folder.write("ant/10.png", gray_png(2, 2, 11));
  folder.write("bad/0.png", "unreadable");
  std::filesystem::create_directory_symlink("..", folder.path() / "ant" / "loop");
  auto options = folder.options();
  CHECK_FALSE(load_image_set(options).labels.defined());

  options.labels = true;
  const auto set = load_image_set(options);
  CHECK(set.class_names == std::vector<std::string>{"ant", "bad", "zebra"});
  CHECK(torch::equal(set.labels, torch::tensor({0, 0, 2}, torch::kInt64)));
  CHECK(torch::equal(set.images.select(3, 0).select(2, 0).flatten(), pixels({11, 10, 30}, {3})));
  options.limit = 2;
  const auto two = load_image_set(options);
  CHECK(torch::equal(two.images, set.images.narrow(0, 0, 2)));
  CHECK(torch::equal(two.labels, set.labels.narrow(0, 0, 2)));

  folder.write("stray.png", gray_png(2, 2, 0));
  CHECK_THROWS_WITH(load_image_set(options), Contains("stray.png in no sub-folder"));
}

TEST_CASE("of a folder of samples the images count and not the pictures of them", "[data]") {
  const TemporaryFolder folder;
  for (const auto* name : {"00000.png", "grid.png", "other.png", "trajectory.png"}) {
    folder.write(name, gray_png(2, 2, 30));
  }
  CHECK(load_image_set(folder.options()).images.size(0) == 4);
  folder.write("samples.json", "{}");
  const auto set = load_image_set(folder.options());
  CHECK(set.images.size(0) == 2);
  CHECK(set.warnings.empty());
}

TEST_CASE("one image with colour makes the set RGB and sizes must agree", "[data]") {
  const TemporaryFolder folder;
  folder.write("a.png", gray_png(3, 2, 40));
  CHECK(load_image_set(folder.options()).images.sizes() == at::IntArrayRef({1, 1, 2, 3}));
  folder.write("b.png", png(3, 2, 8, 2, std::string(18, 'x')));
  const auto mixed = load_image_set(folder.options()).images;
  CHECK(torch::equal(mixed[0], torch::full({3, 2, 3}, 40, torch::kUInt8)));
  folder.write("c.png", gray_png(5, 5, 1));
  CHECK_THROWS_WITH(load_image_set(folder.options()),
                    Contains("a.png of 3 x 2 pixels but c.png of 5 x 5") && Contains("data.size"));
  auto options = folder.options();
  options.size = 2;
  CHECK(load_image_set(options).images.sizes() == at::IntArrayRef({3, 3, 2, 2}));
  options.path += "/a.png";  // a single file is a set of one
  options.channels = 3;
  CHECK(load_image_set(options).images.sizes() == at::IntArrayRef({1, 3, 2, 2}));
}
