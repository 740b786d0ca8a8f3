#include "metrics/feature_map.h"

#include <torch/nn/functional.h>
#include <torch/script.h>

#include <fstream>

#include "core/error.h"
#include "core/torch.h"
#include "io/npz.h"
#include "metrics/clean_resize.h"
#include "metrics/frechet.h"
#include "metrics/script_features.h"
#include "tests/metrics/coverage.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

torch::Tensor features_of(const torch::Tensor& images) { return RandomFeatures().features(images); }

double distance(const torch::Tensor& a, const torch::Tensor& b) {
  return frechet_distance(gaussian_statistics(a), gaussian_statistics(b));
}

/// Weights [out, in] of PIL's bicubic filter, from its definition: at output i the kernel of Keys
/// 1981 with a = -1/2 is centred on (i + 1/2) in / out, widened by in / out where that is above 1,
/// read at the pixels' centres, and made to sum to 1.
torch::Tensor bicubic_weights(int64_t in, int64_t out) {
  const auto keys = [](double x) {
    const double a = -0.5;
    x = std::abs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? a * (((x - 5) * x + 8) * x - 4) : 0.0;
  };
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double wide = std::max(scale, 1.0);
  auto weights = torch::zeros({out, in}, torch::kFloat64);
  for (int64_t i = 0; i < out; ++i) {
    for (int64_t j = 0; j < in; ++j) {
      weights[i][j] =
          keys((static_cast<double>(j) + 0.5 - (static_cast<double>(i) + 0.5) * scale) / wide);
    }
  }
  return weights / weights.sum(1, /*keepdim=*/true);
}

/// A module whose file is gone once it is loaded.
std::unique_ptr<FeatureMap> script(const std::string& source, ScriptOptions options = {}) {
  const TemporaryDirectory dir;
  torch::jit::Module module("net");
  module.define(source);
  options.network = dir / "net.pt";
  module.save(options.network);
  return load_script_features(options, torch::kCPU);
}

torch::Tensor pixels(torch::IntArrayRef shape) {
  auto rng = make_generator(1, "pixels");
  return torch::randint(0, 256, shape, rng, torch::kFloat32);
}

torch::Tensor in_model_units(const torch::Tensor& x) { return x / 127.5 - 1; }

}  // namespace

TEST_CASE("random features are the same every time and tell textures apart", "[metrics]") {
  const auto smooth = torch::nn::functional::interpolate(
      normal({64, 1, 4, 4}, 1), torch::nn::functional::InterpolateFuncOptions()
                                    .size(std::vector<int64_t>{16, 16})
                                    .mode(torch::kBilinear)
                                    .align_corners(false));
  const auto rough = normal({64, 1, 16, 16}, 2) * smooth.std();
  const auto features = features_of(smooth);
  CHECK(features.sizes() == torch::IntArrayRef({64, 448}));
  CHECK(torch::equal(features, features_of(smooth)));
  CHECK(torch::allclose(features.slice(0, 0, 3), features_of(smooth.slice(0, 0, 3)), 1e-4, 1e-5));
  const auto half = [&](const torch::Tensor& f, int k) { return f.slice(0, 32 * k, 32 * (k + 1)); };
  CHECK(distance(features, features_of(rough)) >
        3 * distance(half(features, 0), half(features, 1)));
}

TEST_CASE("images are resized with PIL's bicubic weights", "[metrics][oracle]") {
  const auto x = pixels({2, 3, 11, 20});
  const int64_t side = GENERATE(5, 16, 31);
  const auto down = bicubic_weights(11, side), across = bicubic_weights(20, side);
  const auto wanted = down.matmul(x.to(torch::kFloat64)).matmul(across.t()).clamp(0, 255);
  CHECK((clean_resize(x, side).to(torch::kFloat64) - wanted).abs().max().item<double>() < 2e-4);
  CHECK(torch::equal(clean_resize(pixels({1, 1, 7, 7}), 7), pixels({1, 1, 7, 7})));
}

TEST_CASE("images are resized as PIL 9.4 resizes them", "[metrics][golden]") {
  const auto golden = read_npz(std::string(HALCYON_GOLDEN_DIR) + "/metrics/pil_bicubic.npz");
  const auto x = golden.at("x").view({1, 1, 9, 13});
  for (const int64_t side : {6, 20}) {
    const auto wanted = golden.at("pil_" + std::to_string(side));
    CHECK((clean_resize(x, side)[0][0] - wanted).abs().max().item<double>() < 1e-4);
  }
}

TEST_CASE("a TorchScript network takes images as it is told", "[metrics][oracle]") {
  const std::string mean = "def forward(self, x):\n  return x.mean([2, 3])\n";
  const auto x = pixels({4, 1, 6, 6});
  const auto average = x.mean({2, 3}).expand({4, 3});
  const auto got = [&](ScriptOptions options) {
    return script(mean, options)->features(in_model_units(x));
  };
  CHECK(torch::allclose(got({.side = 0}), average, 1e-5));
  CHECK(torch::allclose(got({.side = 0, .scale = PixelScale::unit}), average / 255, 1e-5));
  CHECK(torch::allclose(got({.side = 0, .scale = PixelScale::symmetric}), average / 127.5 - 1, 1e-4,
                        1e-5));
  const auto resized = clean_resize(x, 9).mean({2, 3}).expand({4, 3});
  CHECK(torch::allclose(got({.side = 9}), resized, 1e-5));
  CHECK_FALSE(torch::allclose(resized, average, 1e-5));
  CHECK_FALSE(script(mean)->classifies());
}

TEST_CASE("a network as StyleGAN's Inception gives features and, without its bias, classes",
          "[metrics][oracle]") {
  const auto net = script(R"(
def forward(self, img, return_features: bool = False, use_fp16: bool = False, no_output_bias: bool = False):
  rows = img.mean([2, 3])
  if return_features:
    return rows.unsqueeze(2).unsqueeze(3)
  if no_output_bias:
    return torch.softmax(rows, 1)
  return torch.softmax(rows + 5 * torch.arange(3), 1)
)",
                          {.side = 0, .scale = PixelScale::unit});
  const auto x = pixels({5, 3, 4, 4});
  const auto rows = x.mean({2, 3}) / 255;
  CHECK(net->classifies());
  CHECK(torch::allclose(net->features(in_model_units(x)), rows, 1e-5));
  CHECK(torch::allclose(net->probabilities(in_model_units(x)), rows.softmax(1), 1e-5));
}

TEST_CASE("a TorchScript file that cannot serve is refused in words", "[metrics][error]") {
  const TemporaryDirectory dir;
  const auto message = [](const auto& work) -> std::string {
    try {
      work();
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "no error";
  };
  const auto x = in_model_units(pixels({2, 3, 4, 4}));
  const auto run = [&](const std::string& source) {
    return message([&] { script(source, {.side = 0})->features(x); });
  };
  const auto load = [&](const std::string& file) {
    return message([&] { load_script_features({.network = file}, torch::kCPU); });
  };
  CHECK_THAT(load(dir / "none.pt"), Contains("none.pt") && Contains("cannot read"));
  std::ofstream(dir / "text.pt") << "not a network";
  CHECK_THAT(load(dir / "text.pt"), Contains("text.pt") && Contains("TorchScript"));
  CHECK_THAT(run("def forward(self, x, temperature: float):\n  return x\n"),
             Contains("'temperature'"));
  CHECK_THAT(run("def forward(self, x):\n  return (x, x)\n"), Contains("one tensor"));
  CHECK_THAT(run("def forward(self, x):\n  return x\n"), Contains("want [2, F]"));
  CHECK_THAT(run("def forward(self, x):\n  return x.mean([2, 3]) / 0\n"), Contains("finite"));
  CHECK_THAT(run("def forward(self, x):\n  return x.view([7, 7])\n"), Contains("fails on images"));
  CHECK_THAT(message([] { script("def forward(self, x):\n  return x\n", {.side = -1}); }),
             Contains("features.side"));
}
