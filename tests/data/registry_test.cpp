#include "data/registry.h"

#include "core/error.h"
#include "data/image_fitting.h"
#include "tests/data/written_files.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("a path that is no data set is refused with what was found and wanted", "[data][error]") {
  const TemporaryFolder folder;
  const auto refused = [](const DataOptions& options, const std::string& message) {
    CHECK_THROWS_AS(load_image_set(options), DataError);
    CHECK_THROWS_WITH(load_image_set(options),
                      Contains("data.path") && Contains(message) && Contains("wanted"));
  };
  refused(DataOptions(), "is not set");
  auto options = folder.options();
  refused(options, "found no image file in the folder (0 other or hidden files)");
  folder.write("notes.txt", "none");
  folder.write(".a.png", gray_png(1, 1, 1));
  refused(options, "(2 other or hidden files)");
  options.path += "/notes.txt";
  refused(options, "a file of unknown content");
  options.path += ".not";
  refused(options, "found no such file or folder");
  options.path = "/dev/null";
  refused(options, "a file of unknown content");

  folder.write("b.png", gray_png(1, 1, 1));
  options = folder.options();
  CHECK(load_image_set(options).images.size(0) == 1);
  options.split = DataSplit::all;
  CHECK(load_image_set(options).images.size(0) == 1);
  options.split = DataSplit::test;
  refused(options, "no test part");
  options = folder.options();
  options.labels = true;
  refused(options, "b.png in no sub-folder");
}

TEST_CASE("an option out of range is refused by its key", "[data][error]") {
  const TemporaryFolder folder;
  folder.write("a.png", gray_png(1, 1, 1));
  const auto refused = [&](int64_t DataOptions::*field, int64_t value, const std::string& message) {
    auto options = folder.options();
    options.*field = value;
    CHECK_THROWS_AS(load_image_set(options), ConfigError);
    CHECK_THROWS_WITH(load_image_set(options), Contains(message) && Contains("wanted"));
  };
  refused(&DataOptions::channels, 2, "data.channels = 2");
  refused(&DataOptions::size, -1, "data.size = -1");
  refused(&DataOptions::background, 256, "data.background = 256");
  refused(&DataOptions::limit, -5, "data.limit = -5");
}

TEST_CASE("only the images of the classes asked for are loaded", "[data]") {
  const TemporaryFolder folder;
  folder.write("boot/a.png", gray_png(1, 1, 10));
  folder.write("coat/b.png", gray_png(1, 1, 20));
  folder.write("hat/c.png", gray_png(1, 1, 30));
  auto options = folder.options();
  options.classes = {2, 0};
  auto set = load_image_set(options);
  CHECK(torch::equal(set.images.flatten(), pixels({10, 30}, {2})));
  CHECK_FALSE(set.labels.defined());
  options.labels = true;
  set = load_image_set(options);
  CHECK(torch::equal(set.labels, torch::tensor({0, 2})));
  CHECK(set.class_names.size() == 3);
  options.limit = 1;
  CHECK(load_image_set(options).images.size(0) == 1);
  options.classes = {3};
  CHECK_THROWS_AS(load_image_set(options), DataError);
  CHECK_THROWS_WITH(load_image_set(options), Contains("data.classes") && Contains("0 .. 2"));
}

TEST_CASE("fitting converts channels, crops the centre and resizes", "[data][oracle]") {
  const auto rgb = pixels({255, 0, 0, 10, 0, 255, 0, 10, 0, 0, 255, 10}, {3, 2, 2});
  const auto gray = fit_image(rgb, /*channels=*/1, /*size=*/0);
  CHECK(torch::equal(gray, pixels({76, 150, 29, 10}, {1, 2, 2})));  // BT.601 luma
  CHECK(torch::equal(fit_image(gray, 3, 0), gray.expand({3, 2, 2})));

  // Columns 0 1 2 3 4 5 of a 6 x 2 image: the centre square is columns 2 and 3.
  const auto ramp = torch::arange(6, torch::kUInt8).mul(10).expand({1, 2, 6});
  CHECK(torch::equal(fit_image(ramp, 0, 2), pixels({20, 30, 20, 30}, {1, 2, 2})));
  // Halving is the mean of each 2 x 2 block.
  const auto square = torch::arange(16, torch::kUInt8).mul(4).view({1, 4, 4});
  CHECK(torch::equal(fit_image(square, 0, 2), pixels({10, 18, 42, 50}, {1, 2, 2})));
  // Bicubic enlarging keeps a constant, and overshoots a step, unlike linear interpolation.
  CHECK(fit_image(torch::full({1, 3, 3}, 77, torch::kUInt8), 0, 8).eq(77).all().item<bool>());
  const auto step = pixels({50, 50, 200, 200}, {1, 1, 4}).expand({1, 4, 4});
  CHECK(fit_image(step, 0, 16).max().item<int>() > 200);
  CHECK(fit_image(step, 0, 16).min().item<int>() < 50);

  const auto batch = torch::stack({rgb, 255 - rgb});
  CHECK(torch::equal(fit_images(batch, 1, 1)[1], fit_image(255 - rgb, 1, 1)));
  CHECK(fit_images(batch, 0, 0).is_same(batch));
}

TEST_CASE("model units run from -1 to 1 and every pixel value survives the round trip",
          "[data][roundtrip]") {
  const auto all = torch::arange(256, torch::kUInt8);
  const auto x = to_model_units(all);
  CHECK(x.scalar_type() == torch::kFloat32);
  CHECK(x[0].item<float>() == -1.0F);
  CHECK(x[255].item<float>() == 1.0F);
  CHECK(torch::allclose(x.to(torch::kFloat64), torch::arange(256, torch::kFloat64) / 127.5 - 1, 0,
                        1e-7));
  CHECK(torch::equal(to_pixels(x), all));
  CHECK(torch::equal(to_pixels(torch::tensor({-7.0, 9.0, 0.0})), pixels({0, 255, 128}, {3})));
  CHECK(torch::equal(to_model_units(torch::tensor({-3.5F, 2.0F})), torch::tensor({-3.5F, 2.0F})));
}
