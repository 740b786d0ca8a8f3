#include "core/guided_denoiser.h"

#include <cmath>

#include "core/error.h"
#include "core/gaussian_mixture.h"
#include "core/random.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

GaussianMixture gaussian(double mean, double variance) {
  return {torch::ones({1}), torch::full({1, 4}, mean, torch::kFloat64),
          torch::full({4}, variance, torch::kFloat64)};
}

torch::Tensor points(int64_t count, uint64_t seed) {
  auto rng = make_generator(seed, "points");
  return 2 * torch::randn({count, 1, 2, 2}, rng, torch::kFloat64);
}

torch::Tensor levels() { return torch::tensor({0.05, 0.3, 1.0, 20.0}, torch::kFloat64); }

double largest(const torch::Tensor& difference) { return difference.abs().max().item<double>(); }

/// F = tanh(x) + c_noise (1 + label): what is not the class's is seen in every sample.
class ToyNetwork final : public ScoreNetwork {
 public:
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& c_noise,
                        const torch::Tensor& label) override {
    batches.push_back(x.size(0));
    const auto index = label.defined() ? label : torch::full({1}, num_classes(), torch::kInt64);
    return torch::tanh(x) + per_sample(c_noise * (1 + index).to(x.scalar_type()), x);
  }
  int64_t num_classes() const override { return 3; }

  std::vector<int64_t> batches;
};

}  // namespace

TEST_CASE("guidance between Gaussians is the linear denoiser of closed form", "[core][oracle]") {
  const double w = 2.5;
  auto strong = gaussian(0.7, 0.25), weak = gaussian(-0.2, 1.5);
  TwoDenoisers pair(strong, weak);
  GuidedDenoiser guided(pair, {.weight = w});
  const auto x = points(4, 1);
  const auto sigma = levels();
  const auto noise = per_sample(sigma.square(), x);
  // s = (1 - w) (mu_u - x) / (v_u + sigma^2) + w (mu_c - x) / (v_c + sigma^2)
  const auto expected = (1 - w) * (-0.2 - x) / (1.5 + noise) + w * (0.7 - x) / (0.25 + noise);
  REQUIRE(largest(score(guided, x, sigma) / expected - 1) < 1e-10);
}

TEST_CASE("weights 1 and 0 are the two models", "[core][property]") {
  auto strong = gaussian(0.7, 0.25), weak = gaussian(-0.2, 1.5);
  TwoDenoisers pair(strong, weak);
  GuidedDenoiser one(pair, {.weight = 1}), none(pair, {.weight = 0});
  const auto x = points(4, 2);
  REQUIRE(torch::equal(one.denoise(x, levels()), strong.denoise(x, levels())));
  REQUIRE(largest(none.denoise(x, levels()) - weak.denoise(x, levels())) < 1e-14);
  REQUIRE(one.second_evaluations() == 0);
  REQUIRE(none.second_evaluations() == 1);
}

TEST_CASE("against data that are all noise, guidance sharpens a Gaussian", "[core][oracle]") {
  // A weak model of a very wide law has no score: what is left is w s, that of variance
  // (v + sigma^2) / w.
  const double w = 3, sigma = 0.4;
  auto strong = gaussian(0.5, 0.2), weak = gaussian(0, 1e14);
  auto sharp = gaussian(0.5, (0.2 + sigma * sigma) / w - 0.01);
  TwoDenoisers pair(strong, weak);
  GuidedDenoiser guided(pair, {.weight = w});
  const auto x = points(5, 3);
  const auto at = [](double level) { return torch::full({5}, level, torch::kFloat64); };
  REQUIRE(largest(score(guided, x, at(sigma)) - score(sharp, x, at(0.1))) < 1e-10);
}

TEST_CASE("guidance keeps to its interval of noise levels, sample by sample", "[core][property]") {
  auto strong = gaussian(0.7, 0.25), weak = gaussian(-0.2, 1.5);
  TwoDenoisers pair(strong, weak);
  GuidedDenoiser guided(pair, {.weight = 3, .low = 0.3, .high = 1});
  GuidedDenoiser always(pair, {.weight = 3});
  const auto x = points(4, 4);
  const auto got = guided.denoise(x, levels());
  const auto conditional = strong.denoise(x, levels()), all = always.denoise(x, levels());
  for (const int64_t outside : {0, 3}) REQUIRE(torch::equal(got[outside], conditional[outside]));
  for (const int64_t inside : {1, 2}) REQUIRE(torch::equal(got[inside], all[inside]));
  REQUIRE(guided.second_evaluations() == 1);
  const auto high = torch::full({4}, 1.01, torch::kFloat64);
  REQUIRE(torch::equal(guided.denoise(x, high), strong.denoise(x, high)));
  REQUIRE(guided.second_evaluations() == 1);
}

TEST_CASE("rescaled in full, every guided image has the spread of the unguided", "[core][oracle]") {
  auto strong = gaussian(0.7, 0.25), weak = gaussian(-0.2, 1.5);
  TwoDenoisers pair(strong, weak);
  GuidedDenoiser plain(pair, {.weight = 3}), full(pair, {.weight = 3, .rescale = 1}),
      part(pair, {.weight = 3, .rescale = 0.7});
  const auto x = points(4, 5);
  const auto spread = [](const torch::Tensor& t) { return t.flatten(1).std(1); };
  const auto unguided = strong.denoise(x, levels()), guided = plain.denoise(x, levels());
  const auto rescaled = full.denoise(x, levels());
  REQUIRE(largest(spread(rescaled) / spread(unguided) - 1) < 1e-12);
  REQUIRE(largest(part.denoise(x, levels()) - (0.3 * guided + 0.7 * rescaled)) < 1e-12);
  REQUIRE(largest(spread(guided) / spread(unguided) - 1) > 0.1);
  // A constant image, as of points without spread, stays as it is.
  auto point = gaussian(0.7, 0), other = gaussian(0.1, 0);
  TwoDenoisers constants(point, other);
  GuidedDenoiser of_constants(constants, {.weight = 2, .rescale = 1});
  REQUIRE(largest(of_constants.denoise(x, levels()) - 1.3) < 1e-12);
}

TEST_CASE("a network with and without its class in one batch is as in two", "[core][property]") {
  ToyNetwork network;
  const auto preconditioning = make_preconditioning({.name = "edm", .sigma_data = 0.5});
  const auto x = points(4, 6);
  PreconditionedDenoiser with(network, *preconditioning, torch::full({1}, 2, torch::kInt64));
  PreconditionedDenoiser without(network, *preconditioning);
  WithAndWithoutClass pair(network, *preconditioning, /*label=*/2);
  const auto expected_with = with.denoise(x, levels());
  const auto expected_without = without.denoise(x, levels());
  REQUIRE(largest(expected_with - expected_without) > 0.01);
  network.batches.clear();
  const auto denoised = pair.both(x, levels());
  REQUIRE(network.batches == std::vector<int64_t>{8});
  REQUIRE(largest(denoised.strong - expected_with) < 1e-12);
  REQUIRE(largest(denoised.weak - expected_without) < 1e-12);
  REQUIRE(largest(pair.strong(x, levels()) - expected_with) < 1e-12);
}

TEST_CASE("options of guidance out of range are refused by their key", "[core][error]") {
  auto data = gaussian(0, 1);
  TwoDenoisers pair(data, data);
  const auto refused = [&](const GuidanceOptions& options, const char* key) {
    REQUIRE_THROWS_WITH(GuidedDenoiser(pair, options), Contains(key));
  };
  refused({.weight = NAN}, "guidance.weight");
  refused({.weight = 2, .low = -1}, "guidance.low");
  refused({.weight = 2, .low = 2, .high = 1}, "guidance.high");
  refused({.weight = 2, .rescale = 1.5}, "guidance.rescale");
}
