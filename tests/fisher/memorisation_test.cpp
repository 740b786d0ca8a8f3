#include "fisher/memorisation.h"

#include "core/empirical_denoiser.h"
#include "data/toy_distribution.h"
#include "tests/fisher/measure.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const auto kDouble = torch::kFloat64;

/// share D_1 + (1 - share) D_2.
class Blend final : public Denoiser {
 public:
  Blend(Denoiser& first, Denoiser& second, double share)
      : first_(first), second_(second), share_(share) {}

  torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor& sigma) override {
    return share_ * first_.denoise(x, sigma) + (1 - share_) * second_.denoise(x, sigma);
  }

 private:
  Denoiser& first_;
  Denoiser& second_;
  double share_;
};

struct Images {
  torch::Tensor training, held_out;
};

MemorisationEstimates measure_memorisation(Denoiser& model, Denoiser& memory, const Images& images,
                                           double sigma, uint64_t seed = 3) {
  auto rng = make_generator(seed, "test noise");
  MemorisationLevel level(sigma, images.training[0].numel());
  const auto noise_of = [&](const auto& x0) { return torch::randn(x0.sizes(), rng, x0.options()); };
  for (const auto& x0 : images.training.split(1500)) {
    level.add_training(model, memory, x0, noise_of(x0));
  }
  for (const auto& x0 : images.held_out.split(5000)) level.add_held_out(model, x0, noise_of(x0));
  return level.estimates();
}

Images draw(const GaussianMixture& law, int64_t training, int64_t held_out) {
  auto rng = make_generator(4, "test images");
  return {law.sample(training, rng).view({-1, 1, 4, 4}),
          law.sample(held_out, rng).view({-1, 1, 4, 4})};
}

}  // namespace

TEST_CASE("the exact denoiser of the training images is found to memorise",
          "[fisher][oracle][statistical]") {
  const auto images = draw(find_toy("toy:mixture").make(), 2000, 4000);
  EmpiricalDenoiser memory(images.training);
  const double sigma = GENERATE(0.3, 0.7);
  const auto e = measure_memorisation(memory, memory, images, sigma);
  REQUIRE(e.gap.value == 0);
  REQUIRE(e.gap.standard_error == 0);
  REQUIRE(e.train_loss.value == e.floor.value);
  REQUIRE(e.memorisation.value == 1);
  REQUIRE(e.memorises());
  REQUIRE(e.generalisation_gap.value > 5 * e.generalisation_gap.standard_error);
}

TEST_CASE("the exact denoiser of the law is found to generalise", "[fisher][oracle][statistical]") {
  auto law = find_toy("toy:mixture").make();
  const auto images = draw(law, 4000, 20000);
  EmpiricalDenoiser memory(images.training);
  const double sigma = GENERATE(0.3, 0.7, 1.5);
  const auto e = measure_memorisation(law, memory, images, sigma);
  INFO("sigma " << sigma << ": gap " << e.gap.value << " +- " << e.gap.standard_error);
  REQUIRE(e.gap.value > 20 * e.gap.standard_error);
  // The gap is the difference of the losses, which are of the same samples.
  const double error = std::hypot(e.train_loss.standard_error, e.floor.standard_error);
  REQUIRE_THAT(e.gap.value, WithinAbs(e.train_loss.value - e.floor.value, 5 * error));
  require_estimate(e.generalisation_gap, 0);
  require_estimate(e.held_out_loss, law.mmse(sigma) / (16 * sigma * sigma));
  const double of_losses = e.generalisation_gap.standard_error / e.excess.value;
  REQUIRE_THAT(e.memorisation.value,
               WithinAbs(0, 5 * std::hypot(e.memorisation.standard_error, of_losses)));
  REQUIRE_FALSE(e.memorises());
}

TEST_CASE("a blend of both is as far from memory as its share", "[fisher][oracle]") {
  auto law = find_toy("toy:mixture").make();
  const auto images = draw(law, 1000, 4000);
  EmpiricalDenoiser memory(images.training);
  Blend blend(law, memory, 0.3);
  const auto whole = measure_memorisation(law, memory, images, 0.5);
  const auto part = measure_memorisation(blend, memory, images, 0.5);
  REQUIRE_THAT(part.gap.value, WithinRel(0.09 * whole.gap.value, 1e-10));
  REQUIRE_THAT(part.gap.standard_error, WithinRel(0.09 * whole.gap.standard_error, 1e-10));
  REQUIRE(part.floor.value == whole.floor.value);
  REQUIRE(part.memorises());
  REQUIRE_THAT(part.memorisation.value, WithinRel(1 - part.gap.value / part.excess.value, 1e-12));
}

TEST_CASE("the error of the memorisation covers its scatter", "[fisher][statistical]") {
  const GaussianMixture law(torch::ones({1}), torch::zeros({1, 1}), torch::ones({1}));
  auto rng = make_generator(6, "test");
  const auto points = law.sample(6, rng);
  EmpiricalDenoiser memory(points);
  auto model = law;
  const int trials = 300;
  double sum_z2 = 0;
  for (int trial = 0; trial < trials; ++trial) {
    const auto one = [&](uint64_t seed) {
      const auto drawn = torch::randint(0, 6, {3000}, rng, torch::kLong);
      return measure_memorisation(model, memory,
                                  {points.index_select(0, drawn), law.sample(2000, rng) + 1}, 1.0,
                                  seed)
          .memorisation;
    };
    const auto a = one(2 * trial);
    const auto b = one(2 * trial + 1);
    sum_z2 += std::pow(a.value - b.value, 2) /
              (std::pow(a.standard_error, 2) + std::pow(b.standard_error, 2));
  }
  REQUIRE_THAT(sum_z2 / trials, WithinAbs(1, 5 * std::sqrt(2.0 / trials)));
}

TEST_CASE("the error of the memorisation knows how floor and gap hang together",
          "[fisher][statistical]") {
  // D = 0 on the points -1 and 1: where the memory is certain the floor is 0 and the gap at its
  // largest, and |n - eps_hat|^2 itself does not vary at all.
  const auto points = torch::tensor({{-1.0}, {1.0}}, kDouble);
  EmpiricalDenoiser memory(points);
  GaussianMixture nothing(torch::ones({1}), torch::zeros({1, 1}), torch::zeros({1}));
  const GaussianMixture law(torch::ones({1}), torch::zeros({1, 1}), torch::ones({1}));
  auto rng = make_generator(8, "test");
  const int trials = 300;
  std::vector<double> values, variances;
  for (int trial = 0; trial < trials; ++trial) {
    const auto drawn = torch::randint(0, 2, {300}, rng, torch::kLong);
    const auto e = measure_memorisation(
        nothing, memory, {points.index_select(0, drawn), law.sample(4000, rng)}, 0.7, trial);
    values.push_back(e.memorisation.value);
    variances.push_back(std::pow(e.memorisation.standard_error, 2));
  }
  const double spread = torch::tensor(values, kDouble).std().item<double>();
  const double claimed = std::sqrt(torch::tensor(variances, kDouble).mean().item<double>());
  REQUIRE_THAT(claimed / spread, WithinAbs(1, 5 / std::sqrt(2.0 * trials)));
}

TEST_CASE("the error of the generalisation gap is that of both losses", "[fisher][statistical]") {
  GaussianMixture law(torch::ones({1}), torch::zeros({1, 4}), torch::ones({4}));
  auto rng = make_generator(9, "test");
  EmpiricalDenoiser memory(law.sample(4, rng));  // does not matter here
  const int trials = 300;
  double sum_z2 = 0;
  for (int trial = 0; trial < trials; ++trial) {
    const auto e =
        measure_memorisation(law, memory, {law.sample(200, rng), law.sample(200, rng)}, 0.7, trial);
    sum_z2 += std::pow(e.generalisation_gap.value / e.generalisation_gap.standard_error, 2);
  }
  REQUIRE_THAT(sum_z2 / trials, WithinAbs(1, 5 * std::sqrt(2.0 / trials)));
}

TEST_CASE("to memorise wants five standard errors of the ratio and of what it is a share of",
          "[fisher][oracle]") {
  const auto memorises = [](const Estimate& memorisation, const Estimate& excess) {
    MemorisationEstimates e;
    e.memorisation = memorisation;
    e.excess = excess;
    return e.memorises();
  };
  REQUIRE(memorises({1, 0.09, 9}, {0.1, 0.019, 9}));
  REQUIRE_FALSE(memorises({1, 0.11, 9}, {0.1, 0.019, 9}));
  REQUIRE_FALSE(memorises({1, 0.09, 9}, {0.1, 0.021, 9}));
  REQUIRE_FALSE(memorises({0.49, 0, 9}, {0.1, 0.001, 9}));
}

TEST_CASE("there is no memorisation where there is nothing to memorise", "[fisher][oracle]") {
  auto law = find_toy("toy:mixture").make();
  const auto images = draw(law, 1000, 1000);
  EmpiricalDenoiser memory(images.training);
  const auto far = measure_memorisation(law, memory, images, 5);
  REQUIRE(std::abs(far.excess.value) < 5 * far.excess.standard_error);
  REQUIRE(far.memorisation.count == 0);
  REQUIRE_FALSE(far.memorises());
  REQUIRE(measure_memorisation(law, memory, images, 0.3).memorisation.count == 1000);
}

TEST_CASE("memorisation wants samples of both kinds", "[fisher][error]") {
  MemorisationLevel level(1.0, 4);
  REQUIRE_THROWS_WITH(level.estimates(), Contains("0 training"));
}
