#include "cli/film.h"

#include "core/error.h"
#include "core/torch.h"
#include "data/image_set.h"
#include "io/safetensors.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

RecordingDenoiser::Levels levels_of(int64_t count, int64_t images) {
  RecordingDenoiser::Levels levels;
  for (int64_t k = 0; k < count; ++k) {
    levels[static_cast<double>(k + 1)] =
        torch::full({images, 1, 8, 6}, static_cast<double>(k) / static_cast<double>(count));
  }
  return levels;
}

}  // namespace

TEST_CASE("a film goes from the highest level to the samples", "[cli]") {
  const auto samples = torch::full({5, 1, 8, 6}, 1.0);
  const auto count = GENERATE(int64_t{1}, int64_t{2}, int64_t{23}, int64_t{24}, int64_t{250});
  const auto levels = levels_of(count, 4);
  const auto film = make_film(levels, samples, 7);
  const auto frames = std::min<int64_t>(count, 23) + 1;
  REQUIRE(film.frames.sizes() == torch::IntArrayRef({frames, 4, 1, 8, 6}));
  REQUIRE(static_cast<int64_t>(film.sigmas.size()) == frames);
  REQUIRE(film.sigmas.front() == static_cast<double>(count));
  REQUIRE(film.sigmas[film.sigmas.size() - 2] == 1);
  REQUIRE(film.sigmas.back() == 0);
  for (int64_t i = 0; i + 1 < frames; ++i) {
    const auto sigma = film.sigmas[static_cast<size_t>(i)];
    REQUIRE(sigma > film.sigmas[static_cast<size_t>(i) + 1]);
    REQUIRE(torch::equal(film.frames[i], to_pixels(levels.at(sigma))));
  }
  REQUIRE(torch::equal(film.frames[frames - 1], to_pixels(samples.narrow(0, 0, 4))));

  const TemporaryDirectory dir;
  write_film(dir / "film", film);
  const auto back = read_film(dir / "film");
  REQUIRE(back.step == 7);
  REQUIRE(back.sigmas == film.sigmas);
  REQUIRE(torch::equal(back.frames, film.frames));
}

TEST_CASE("the strip of a film is its frames side by side", "[cli]") {
  const auto film = make_film(levels_of(3, 4), torch::full({4, 1, 8, 6}, 1.0), 0);
  const auto strip = film_strip(film);
  REQUIRE(strip.size(0) == 3);
  REQUIRE(strip.size(2) % 4 == 0);
  const auto width = strip.size(2) / 4;
  for (int64_t i = 0; i < 4; ++i) {
    const auto value = film.frames[i][0][0][0][0].item<int64_t>();
    const auto frame = strip.narrow(2, i * width, width);
    // 4 images of 8 x 6, enlarged 8 times, and nothing else of their gray.
    INFO("frame " << i << " of gray " << value);
    REQUIRE((frame[0] == value).sum().item<int64_t>() >= 4 * 8 * 6 * 64);
  }
}

TEST_CASE("what is no film is refused by name", "[cli][error]") {
  const TemporaryDirectory dir;
  const auto refuses = [&](const TensorMap& tensors) {
    write_safetensors(dir / "film", tensors, {});
    REQUIRE_THROWS_AS(read_film(dir / "film"), CheckpointError);
    REQUIRE_THROWS_WITH(read_film(dir / "film"), Contains(dir / "film"));
  };
  const auto sigma = torch::ones({2}, torch::kFloat64);
  const auto frames = torch::zeros({2, 1, 1, 4, 4}, torch::kUInt8);
  refuses({{"frames", frames}});
  refuses({{"sigma", sigma}});
  refuses({{"sigma", sigma}, {"frames", frames[0]}});
  refuses({{"sigma", sigma}, {"frames", frames.narrow(0, 0, 1)}});
  refuses({{"sigma", sigma.to(torch::kFloat32)}, {"frames", frames}});
  refuses({{"sigma", sigma}, {"frames", frames.to(torch::kFloat32)}});
  refuses({{"sigma", torch::ones({99}, torch::kFloat64)},
           {"frames", torch::zeros({99, 1, 1, 4, 4}, torch::kUInt8)}});
}

TEST_CASE("a film shows a square number of images that fits", "[cli]") {
  REQUIRE(film_images(28, 28) == 16);
  REQUIRE(film_images(32, 32) == 16);
  REQUIRE(film_images(64, 48) == 4);
  REQUIRE(film_images(256, 256) == 1);
}
