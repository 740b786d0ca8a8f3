#include "fisher/band_gradients.h"

#include "core/random.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

constexpr int64_t kDim = 6;

/// Images whose gradients are normal: mean (band + 1) in every number, deviation `deviation`.
struct NormalGradients {
  NormalGradients(int64_t count, int64_t bands, double deviation, int64_t run) {
    auto rng = make_generator(7, "gradients", run);
    sigma = torch::rand({count}, rng, torch::kFloat64);
    const auto band = (sigma.argsort().argsort() * bands).div(count, "floor").to(torch::kFloat64);
    gradients =
        (band + 1).unsqueeze(1) + deviation * torch::randn({count, kDim}, rng, torch::kFloat64);
  }
  std::vector<BandGradient> measured(int64_t bands) const {
    return band_gradients(sigma, bands, [&](const torch::Tensor& index) {
      return gradients.index_select(0, index).mean(0);
    });
  }

  torch::Tensor sigma, gradients;
};

struct Pull {
  double mean, spread;
};

/// Of (found - truth) / error over runs.
Pull pull_of(const std::vector<Estimate>& found, double truth) {
  std::vector<double> pulls;
  for (const auto& estimate : found) {
    pulls.push_back((estimate.value - truth) / estimate.standard_error);
  }
  const auto all = torch::tensor(pulls, torch::kFloat64);
  return {all.mean().item<double>(), all.std().item<double>()};
}

}  // namespace

TEST_CASE("gradients of one law have a signal and a noise of which neither is biased",
          "[fisher][oracle]") {
  constexpr double kMean = 0.3, kDeviation = 2;
  constexpr int kRuns = 400;
  const double signal = kDim * kMean * kMean, noise = kDim * kDeviation * kDeviation;
  std::vector<Estimate> signals;
  double above = 0, below = 0;
  for (int run = 0; run < kRuns; ++run) {
    auto rng = make_generator(3, "gradients", run);
    GradientMoments moments;
    for (int i = 0; i < 20; ++i) {
      moments.add(kMean + kDeviation * torch::randn({kDim}, rng, torch::kFloat64));
    }
    signals.push_back(moments.signal());
    const double snr = moments.signal_to_noise().value;
    above += moments.signal().value / kRuns;
    below += moments.signal().value / snr / kRuns;  // the noise
  }
  double variance = 0;
  for (const auto& found : signals) variance += std::pow(found.value - above, 2) / (kRuns - 1);
  CHECK(std::abs(above - signal) < 4 * std::sqrt(variance / kRuns));
  // The noise is a mean of 20 * 6 - 6 squares.
  CHECK(std::abs(below - noise) < 4 * noise * std::sqrt(2.0 / ((19 * kDim) * kRuns)));
}

TEST_CASE("bands of noise levels have gradients of their own, with honest errors",
          "[fisher][oracle]") {
  constexpr int64_t kBands = 3, kRuns = 300;
  const int64_t kImages = GENERATE(240, 36);  // groups of ten; of one and of two
  constexpr double kDeviation = 0.7;
  std::vector<std::vector<Estimate>> signals(kBands), ratios(kBands);
  for (int64_t run = 0; run < kRuns; ++run) {
    const NormalGradients all(kImages, kBands, kDeviation, run);
    const auto found = all.measured(kBands);
    REQUIRE(found.size() == kBands);
    for (size_t k = 0; k < found.size(); ++k) {
      CHECK(found[k].sigma_low < found[k].sigma_high);
      if (k > 0) CHECK(found[k - 1].sigma_high < found[k].sigma_low);
      signals[k].push_back(found[k].signal);
      ratios[k].push_back(found[k].signal_to_noise);
    }
  }
  for (size_t k = 0; k < kBands; ++k) {
    const auto level = static_cast<double>(k + 1);
    const double signal = kDim * level * level;
    const auto pull = pull_of(signals[k], signal);
    CHECK(std::abs(pull.mean) < 4 * pull.spread / std::sqrt(static_cast<double>(kRuns)));
    CHECK_THAT(pull.spread, WithinAbs(1.1, 0.3));  // of a jackknife over 8: Student's t of 7
    // Of one image, though groups are seen.
    double noise = 0, squares = 0;
    for (size_t run = 0; run < signals[k].size(); ++run) {
      const double one = signals[k][run].value / ratios[k][run].value;
      noise += one / kRuns;
      squares += one * one / kRuns;
    }
    const double error = std::sqrt((squares - noise * noise) / kRuns);
    CHECK(std::abs(noise - kDim * kDeviation * kDeviation) < 4 * error);
    CHECK(error < 0.03 * noise);
  }
}

TEST_CASE("a band whose images agree has no noise to be told from", "[fisher]") {
  const NormalGradients all(24, 3, 0, 0);
  const auto found = all.measured(3);
  for (size_t k = 0; k < 3; ++k) {
    const auto level = static_cast<double>(k + 1);
    CHECK_THAT(found[k].signal.value, WithinRel(kDim * level * level, 1e-12));
    CHECK(found[k].signal.standard_error < 1e-12);
  }
  CHECK_THROWS_WITH(all.measured(4), Contains("images in each band"));
}
