#include "io/colour_map.h"

#include "io/picture_text.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

torch::Tensor colour(const torch::Tensor& picture, int64_t y, int64_t x) {
  return picture.select(-1, x).select(-1, y).flatten();
}

torch::Tensor bytes(std::vector<int64_t> values) { return torch::tensor(values).to(torch::kUInt8); }

bool near(const torch::Tensor& a, const torch::Tensor& b) {
  return torch::allclose(a.to(torch::kFloat64), b.to(torch::kFloat64), 0, 2);
}

}  // namespace

TEST_CASE("a heat map runs from the low to the high colour", "[io][oracle]") {
  const auto maps =
      torch::tensor({1.0, 3.0, 2.0, -7.0, 9.0, std::nan("")}, torch::kFloat64).view({1, 1, 2, 3});
  const auto shown = heat_map(maps, {.low = 1, .high = 3});
  REQUIRE(shown.sizes() == torch::IntArrayRef({1, 3, 2, 3}));
  // viridis: (68, 1, 84) at the low end, (33, 145, 140) in the middle, (253, 231, 37) at the high
  REQUIRE(near(colour(shown, 0, 0), bytes({68, 1, 84})));
  REQUIRE(near(colour(shown, 0, 1), bytes({253, 231, 37})));
  REQUIRE(near(colour(shown, 0, 2), bytes({33, 145, 140})));
  REQUIRE(torch::equal(colour(shown, 1, 0), colour(shown, 0, 0)));
  REQUIRE(torch::equal(colour(shown, 1, 1), colour(shown, 0, 1)));
  REQUIRE(torch::equal(colour(shown, 1, 2), bytes({128, 128, 128})));
  REQUIRE_THROWS(heat_map(maps, {.low = 1, .high = 1}));
}

TEST_CASE("a heat map of several channels shows their mean", "[io][property]") {
  const auto maps = torch::rand({2, 3, 4, 5}, torch::kFloat64);
  REQUIRE(torch::equal(heat_map(maps, {}), heat_map(maps.mean(1, /*keepdim=*/true), {})));
}

TEST_CASE("an overlay shows the image where the map is low and the colour where it is high",
          "[io][property]") {
  const auto images =
      torch::tensor({30, 60, 90, 200, 200, 200}).to(torch::kUInt8).view({1, 3, 1, 2});
  const auto maps = torch::tensor({0.0, 1.0}).view({1, 1, 1, 2});
  const auto shown = heat_overlay(maps, images, {});
  const auto gray = (0.65 * images.to(torch::kFloat64).mean(1)).round().to(torch::kUInt8);
  REQUIRE(torch::equal(colour(shown, 0, 0), gray[0][0][0].expand({3})));
  const auto high = colour(shown, 0, 1).to(torch::kInt64) - bytes({253, 231, 37});
  REQUIRE(high.abs().max().item<int64_t>() < 25);
  REQUIRE_THROWS(heat_overlay(maps, images.narrow(3, 0, 1), {}));
}

TEST_CASE("a colour bar leaves the picture unharmed and ends in the end colours",
          "[io][property]") {
  const auto picture = torch::randint(0, 256, {3, 120, 50}, torch::kUInt8);
  const auto shown = with_colour_bar(picture, ColourMap::viridis, {"0", "0.5", "1"}, "a label");
  REQUIRE(shown.size(1) == 120);
  REQUIRE(torch::equal(shown.narrow(2, 0, 50), picture));
  const auto column = shown.select(2, 51);
  const auto coloured = (column != kPaper).any(0).nonzero().flatten();
  REQUIRE(near(column.select(1, coloured[0].item<int64_t>()), bytes({253, 231, 37})));
  REQUIRE(near(column.select(1, coloured[-1].item<int64_t>()), bytes({68, 1, 84})));
  // A picture lower than the label or the ticks is no error.
  REQUIRE(with_colour_bar(picture.narrow(1, 0, 30), ColourMap::inferno, {"0", "1"},
                          "a label longer than the picture is high")
              .size(1) == 30);
}

TEST_CASE("text of several lines is as wide as the widest and higher than one", "[io][property]") {
  const auto one = text_size("sigma 0.5"), two = text_size("sigma 0.5\n0");
  REQUIRE(two.width == one.width);
  REQUIRE(two.height > 2 * one.height);
  REQUIRE(text_size("").height == 0);
  auto canvas = torch::full({60, 200}, kPaper, torch::kUInt8);
  draw_text(canvas, "sigma 0.5\n0", 100, 30, TextAlign::centre);
  const auto inked = (canvas < 128).nonzero().to(torch::kFloat64);
  REQUIRE_THAT(inked.select(1, 1).mean().item<double>(), WithinAbs(100, 6));
  REQUIRE(inked.select(1, 0).min().item<double>() >= 30 - two.height / 2.0 - 1);
  REQUIRE(inked.select(1, 0).max().item<double>() <= 30 + two.height / 2.0 + 1);
}
