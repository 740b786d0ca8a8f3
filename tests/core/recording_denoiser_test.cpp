#include "core/recording_denoiser.h"

#include "core/gaussian_mixture.h"
#include "core/random.h"
#include "tests/support/catch.h"

using namespace halcyon;

TEST_CASE("the denoised images of the first samples are kept, by falling level", "[core]") {
  GaussianMixture data(torch::ones({1}), torch::zeros({1, 4}), torch::ones({4}));
  RecordingDenoiser record(data, 2);
  auto rng = make_generator(1, "test");
  const auto at = [](double level) { return torch::full({3}, level, torch::kFloat64); };
  torch::Tensor last;
  for (const double level : {0.5, 3.0, 0.5}) {
    const auto x = torch::randn({3, 1, 2, 2}, rng, torch::kFloat64);
    last = record.denoise(x, at(level));
    REQUIRE(torch::equal(last, data.denoise(x, at(level))));
  }
  REQUIRE(record.levels().size() == 2);
  REQUIRE(record.levels().begin()->first == 3);
  const auto kept = record.levels().at(0.5);
  REQUIRE(torch::equal(kept, last.narrow(0, 0, 2).to(torch::kFloat32)));
  last.zero_();  // what a caller does to its own tensor is not seen
  REQUIRE(kept.abs().sum().item<double>() > 0);
}
