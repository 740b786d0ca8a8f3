#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "data/registry.h"
#include "data/toy_distribution.h"
#include "io/image_grid.h"
#include "io/safetensors.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("the codes of Gaussian images are those of closed form, and lead back", "[cli][oracle]") {
  const TemporaryDirectory dir;
  succeeds(
      "encode --checkpoint toy:gaussian --input toy:gaussian --limit 200 --run.threads 1 "
      "--tolerance 1e-7 --out " +
      dir / "e");
  const auto images = load_image_set({.path = "toy:gaussian", .limit = 200}).images.flatten(1);
  const auto v = find_toy("toy:gaussian").make().variances();
  const double low = 0.002, high = 80;
  const auto gain = ((v + high * high) / (v + low * low)).sqrt();
  const auto exact = (0.3 + gain * (images - 0.3)) / high;
  const auto codes = read_safetensors(dir / "e/latents.safetensors").tensors.at("latents");
  REQUIRE((codes.flatten(1) - exact).abs().max().item<double>() < 1e-4);
  const auto told = nlohmann::json::parse(slurp(dir / "e/encode.json"));
  REQUIRE(told["count"] == 200);
  REQUIRE(told["pixel_rmse"].get<double>() < 0.01);
  REQUIRE(told["pixel_rmse_se"].get<double>() > 0);
  REQUIRE(told["pixel_rmse"].get<double>() <= told["pixel_rmse_largest"].get<double>());
  REQUIRE(read_png_pixels(dir / "e/reconstruction.png").size(1) > 3 * 64);
}

TEST_CASE("an interpolation begins and ends with its two images", "[cli][roundtrip]") {
  const TemporaryDirectory dir;
  const auto pixels = to_pixels(load_image_set({.path = "toy:mixture", .limit = 2}).images);
  write_png(dir / "a.png", pixels[0]);
  write_png(dir / "b.png", pixels[1]);
  succeeds("interpolate --checkpoint toy:mixture --frames 5 --run.threads 1 --from " +
           dir / "a.png" + " --to " + dir / "b.png" + " --out " + dir / "i");
  const auto frame = [&](const std::string& name) {
    return read_png_pixels(dir / ("i/" + name)).to(torch::kInt32);
  };
  const auto off = [&](const std::string& name, int64_t end) {
    return (frame(name) - pixels[end].to(torch::kInt32)).abs().max().item<int>();
  };
  REQUIRE(off("00000.png", 0) <= 1);
  REQUIRE(off("00004.png", 1) <= 1);
  REQUIRE(off("00002.png", 0) > 1);
  REQUIRE(std::filesystem::exists(dir / "i/strip.png"));
  REQUIRE_FALSE(std::filesystem::exists(dir / "i/00005.png"));
}

TEST_CASE("options of codes that make no sense are refused by their key", "[cli][error]") {
  const TemporaryDirectory dir;
  const auto encode = "encode --checkpoint toy:mixture --out " + dir / "e ";
  refuses(encode, {"--input"});
  refuses(encode + "--input toy:gaussian", {"--input", "1x4x4"});
  refuses(encode + "--input toy:mixture --tolerance 0", {"--tolerance"});
  refuses(encode + "--input toy:mixture --sigma_min 90", {"--sigma_min", "80"});
  refuses(encode + "--input toy:mixture --class 1", {"--class"});
  const auto between = "interpolate --checkpoint toy:mixture --out " + dir / "i ";
  refuses(between + "--from toy:mixture", {"--to"});
  refuses(between + "--from toy:mixture --to toy:mixture --frames 1", {"--frames"});
  REQUIRE_FALSE(std::filesystem::exists(dir / "e"));
  REQUIRE_FALSE(std::filesystem::exists(dir / "i"));
}
