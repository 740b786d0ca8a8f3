#include "fisher/fisher_maps.h"

#include <cmath>
#include <numbers>

#include "core/gaussian_mixture.h"
#include "core/random.h"
#include "fisher/fisher_level.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const auto kDouble = torch::kFloat64;

/// Five DCT waves on 8x8 images: the low-rank field whose maps have a closed form.
struct LowRankField {
  torch::Tensor basis;      // [64, 64], columns the waves
  torch::Tensor variances;  // [64]

  LowRankField() : variances(torch::zeros({64}, kDouble)) {
    const auto point = torch::arange(8, kDouble) + 0.5;
    auto dct = (std::numbers::pi / 8 * torch::arange(8, kDouble).unsqueeze(1) * point).cos() / 2;
    dct[0] /= std::numbers::sqrt2;
    basis = torch::kron(dct, dct).t().contiguous();
    const std::vector<std::pair<int64_t, double>> waves = {
        {0, 16.0}, {1, 4.0}, {8, 4.0}, {9, 1.0}, {2, 0.25}};
    for (const auto& [wave, variance] : waves) variances[wave] = variance;
  }

  GaussianMixture law() const {
    return {torch::ones({1}), torch::zeros({1, 64}), variances, basis};
  }
  /// A = Phi diag(lambda / (lambda + sigma^2)) Phi^T, the same at every x: [64, 64].
  torch::Tensor jacobian(double sigma) const {
    return (basis * (variances / (variances + sigma * sigma))).matmul(basis.t());
  }
};

torch::Tensor as_map(const torch::Tensor& pixels) { return pixels.view({1, 1, 8, 8}); }

/// One draw for each of `count` images of the field.
FisherMaps field_maps(const LowRankField& field, double sigma, int64_t count) {
  auto law = field.law();
  auto rng = make_generator(23, "test", static_cast<int64_t>(1000 * sigma));
  return measure_maps(law, law.sample(count, rng).view({count, 1, 8, 8}), sigma, /*draws=*/1, rng);
}

/// Every pixel within five standard errors: 1e-4 for one false alarm among 200 pixels.
void require_map(const MapEstimate& map, const torch::Tensor& exact) {
  REQUIRE(map.value.sizes() == exact.sizes());
  const auto excess =
      (map.value - exact).abs() - 5 * map.standard_error - 1e-12 * (1 + exact.abs());
  INFO("beyond five standard errors by " << excess.max().item<double>());
  REQUIRE(excess.max().item<double>() <= 0);
}

/// D(x) = x W + (x^2) U: an asymmetric Jacobian known in closed form.
class QuadraticDenoiser final : public Denoiser {
 public:
  QuadraticDenoiser() {
    auto rng = make_generator(5, "test");
    w_ = torch::randn({4, 4}, rng, kDouble);
    u_ = torch::randn({4, 4}, rng, kDouble);
  }
  torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor&) override {
    const auto flat = x.flatten(1);
    return (flat.matmul(w_) + flat.square().matmul(u_)).view(x.sizes());
  }
  /// [B, 4, 4]: d D_i / d x_j.
  torch::Tensor jacobian(const torch::Tensor& x) const {
    return w_.t() + u_.t() * (2 * x.flatten(1)).unsqueeze(1);
  }

 private:
  torch::Tensor w_, u_;
};

constexpr double kBumpVariance = 0.25;

torch::Tensor bump_mean() { return torch::full({1, 4, 4}, 0.5, kDouble); }  // of norm 2

GaussianMixture two_bumps() {
  const auto mean = bump_mean().flatten();
  return {torch::full({2}, 0.5), torch::stack({-mean, mean}), torch::full({16}, kBumpVariance)};
}

/// The denoiser of two_bumps() that knows from which one each image came: sign [B], -1 or 1.
class BumpDenoiser final : public Denoiser {
 public:
  explicit BumpDenoiser(const torch::Tensor& sign)
      : mean_(sign.view({-1, 1, 1, 1}) * bump_mean()) {}
  torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor& sigma) override {
    const auto variance = per_sample(sigma, x).square();
    return mean_ + kBumpVariance / (kBumpVariance + variance) * (x - mean_);
  }

 private:
  torch::Tensor mean_;
};

/// Maps of `count` images of two_bumps(), one draw each, with the class map.
FisherMaps bump_maps(double sigma, int64_t count, int64_t patch) {
  auto rng = make_generator(29, "test", static_cast<int64_t>(1000 * sigma));
  const auto sign = torch::randint(0, 2, {count}, rng, kDouble) * 2 - 1;
  const auto noise = [&] { return torch::randn({count, 1, 4, 4}, rng, kDouble); };
  const auto x0 = sign.view({-1, 1, 1, 1}) * bump_mean() + std::sqrt(kBumpVariance) * noise();
  auto blind = two_bumps();
  BumpDenoiser conditional(sign);
  FisherMapLevel level(sigma, patch);
  level.add(blind, x0, noise(), rng, &conditional);
  return level.maps();
}

/// E |s(x | c) - s(x)|^2 = E |s(x | c)|^2 - E |s(x)|^2.
double class_gap(double sigma) {
  return 16 / (kBumpVariance + sigma * sigma) - two_bumps().fisher_information(sigma);
}

}  // namespace

TEST_CASE("the maps of a low-rank field have the closed form at every pixel",
          "[fisher][maps][oracle][statistical]") {
  struct Row {
    double sigma, corner, edge, middle;  // sigma^2 F_ii at [0, 0], [0, 3] and [4, 4]
  };
  const auto row = GENERATE(Row{0.05, 0.84019552, 0.92445499, 0.95550040},
                            Row{0.50, 0.86842752, 0.94003627, 0.96896735},
                            Row{2.00, 0.94430375, 0.96984832, 0.98472348});
  const double sigma = row.sigma, variance = sigma * sigma;
  const LowRankField field;
  const auto a = field.jacobian(sigma);
  const auto fisher = as_map(1 - a.diagonal());
  REQUIRE_THAT(fisher[0][0][0][0].item<double>(), WithinAbs(row.corner, 5e-9));
  REQUIRE_THAT(fisher[0][0][0][3].item<double>(), WithinAbs(row.edge, 5e-9));
  REQUIRE_THAT(fisher[0][0][4][4].item<double>(), WithinAbs(row.middle, 5e-9));

  const auto maps = field_maps(field, sigma, 20000);
  const auto mmse = as_map(variance * a.diagonal());  // = sigma^2 - sigma^4 F_ii
  require_map(mean_over_images(maps.fisher), fisher);
  require_map(mean_over_images(maps.fisher_obs), fisher);
  require_map(mean_over_images(maps.error), mmse);
  require_map(mean_over_images(maps.posterior_variance), mmse);
  require_map(mean_over_images(maps.sensitivity), as_map(a.square().sum(0)));
  REQUIRE_FALSE(maps.class_map.value.defined());
}

TEST_CASE("of a single draw the observed Fisher map is far less noisy than the expected one",
          "[fisher][maps][oracle][statistical]") {
  const LowRankField field;
  const double sigma = 0.5;
  const auto maps = field_maps(field, sigma, 20000);
  const auto relative = [](const MapEstimate& map) { return map.value.std(0) / map.value.mean(0); };
  // eps_hat_i is Gaussian, and the probe sees the row of A off the diagonal.
  const auto a = field.jacobian(sigma);
  const auto off_diagonal = (a.square().sum(1) - a.diagonal().square()).sqrt();
  const auto observed = (off_diagonal / (1 - a.diagonal())).view({1, 8, 8});
  REQUIRE(torch::allclose(relative(maps.fisher_obs), observed, 0.03));
  REQUIRE((relative(maps.fisher) - std::numbers::sqrt2).abs().max().item<double>() < 0.08);
  REQUIRE_THAT(observed.mean().item<double>(), WithinAbs(0.20, 0.05));
}

TEST_CASE("the maps of one image have the closed form of a Gaussian with diagonal covariance",
          "[fisher][maps][oracle][statistical]") {
  const auto lambda = torch::tensor({4.0, 1.0, 0.25, 0.0}, kDouble).view({1, 1, 2, 2});
  const double mean = 0.3, sigma = 0.7, v = sigma * sigma;
  GaussianMixture law(torch::ones({1}), torch::full({1, 4}, mean), lambda.flatten());
  const auto x0 = torch::tensor({1.0, -2.0, 0.5, 0.3}, kDouble).view({1, 1, 2, 2});
  auto rng = make_generator(31, "test");
  const auto maps = measure_maps(law, x0, sigma, /*draws=*/1500, rng);

  const auto total = lambda + v;
  const auto offset = (x0 - mean).square();
  require_map(maps.fisher, v * (offset + v) / total.square());
  require_map(maps.error, (offset * v * v + lambda.square() * v) / total.square());
  // The probes of a diagonal Jacobian have no error.
  require_map(maps.fisher_obs, v / total);
  require_map(maps.posterior_variance, lambda * v / total);
  require_map(maps.sensitivity, (lambda / total).square());
  REQUIRE(maps.fisher_obs.standard_error.max().item<double>() < 1e-12);
  REQUIRE(maps.fisher.count == 1500);
  // The standard error is that of draws: halves of them differ by as much.
  const auto again = measure_maps(law, x0, sigma, /*draws=*/1500, rng);
  require_map({again.fisher.value, again.fisher.standard_error * std::numbers::sqrt2, 1500},
              maps.fisher.value);
}

TEST_CASE("an asymmetric Jacobian gives its diagonal and its columns",
          "[fisher][maps][oracle][statistical]") {
  QuadraticDenoiser denoiser;
  auto rng = make_generator(37, "test");
  const auto x0 = torch::randn({2, 1, 2, 2}, rng, kDouble);
  const double sigma = 0.8;
  FisherMapLevel level(sigma);
  const auto noise = torch::randn(x0.sizes(), rng, kDouble);  // fixed: only the probes vary
  for (int64_t k = 0; k < 3000; ++k) level.add(denoiser, x0, noise, rng);
  const auto maps = level.maps();
  const auto a = denoiser.jacobian(x0 + sigma * noise);
  const auto diagonal = a.diagonal(0, 1, 2).view(x0.sizes());
  require_map(maps.fisher_obs, 1 - diagonal);
  require_map(maps.posterior_variance, sigma * sigma * diagonal);
  require_map(maps.sensitivity, a.square().sum(1).view(x0.sizes()));
}

TEST_CASE("the class map is the gap between the scores with and without the class",
          "[fisher][maps][oracle][statistical]") {
  const double sigma = GENERATE(1.0, 2.0);
  const auto exact = sigma * sigma * class_gap(sigma);
  const auto pixels = bump_maps(sigma, 30000, /*patch=*/1);
  require_map(mean_over_images(pixels.class_map), torch::full({1, 1, 4, 4}, exact / 16, kDouble));
  const auto whole = bump_maps(sigma, 30000, /*patch=*/4);
  require_map(mean_over_images(whole.class_map), torch::full({1, 1, 1, 1}, exact, kDouble));
}

TEST_CASE("the class maps sum to the class information lost between two noise levels",
          "[fisher][maps][oracle][statistical]") {
  // Levels with over 1000 of the samples between the bumps.
  std::vector<FisherMaps> levels;
  for (const double sigma : log_spaced_levels(1, 5, 16)) {
    levels.push_back(bump_maps(sigma, 30000, /*patch=*/4));
    levels.back().class_map = mean_over_images(levels.back().class_map);
  }
  const auto information = class_information_map(levels);
  INFO(information.value.item<double>() << " +- " << information.standard_error.item<double>());
  REQUIRE(information.standard_error.item<double>() < 0.003);
  // I(c; x) at sigma 1 and 5, of a fair sign in Gaussian noise.
  require_map(information, torch::full({1, 1, 1, 1}, 0.59765020 - 0.07349575, kDouble));
}

TEST_CASE("the nll map is the closed form of a Gaussian pixel by pixel",
          "[fisher][maps][oracle][statistical]") {
  const auto lambda = torch::tensor({4.0, 1.0, 0.25, 0.0625}, kDouble).view({1, 1, 2, 2});
  GaussianMixture law(torch::ones({1}), torch::zeros({1, 4}), lambda.flatten());
  const auto x0 = torch::tensor({1.0, -2.0, 0.5, 0.0}, kDouble).view({1, 1, 2, 2});
  auto rng = make_generator(41, "test");
  std::vector<FisherMaps> levels;
  for (const double sigma : log_spaced_levels(0.05, 20, 50)) {
    levels.push_back(measure_maps(law, x0, sigma, /*draws=*/100, rng));
  }
  // 1/2 int x^2 / (1 + lambda g)^2 + lambda^2 g / (1 + lambda g)^2 dg over g = 1 / sigma^2.
  const auto primitive = [&](double sigma) {
    const double g = 1 / (sigma * sigma);
    const auto total = 1 + lambda * g;
    return 0.5 * (x0.square() * g / total + total.log() + 1 / total);
  };
  const auto exact = primitive(0.05) - primitive(20);
  const auto nll = nll_map(levels);
  REQUIRE((nll.standard_error / exact).max().item<double>() < 0.04);
  require_map(nll, exact);
  REQUIRE_THROWS(nll_map({levels[1], levels[0]}));
  REQUIRE_THROWS(nll_map({levels[0]}));
  REQUIRE_THROWS(class_information_map(levels));
}

TEST_CASE("regions hold the sum of their pixels", "[fisher][maps][property]") {
  const auto map = torch::arange(2 * 5 * 7, kDouble).view({1, 2, 5, 7});
  const auto regions = region_sum(map, 3);
  REQUIRE(regions.sizes() == torch::IntArrayRef({1, 2, 2, 3}));
  REQUIRE(torch::equal(regions[0][1][1][2], map[0][1].narrow(0, 3, 2).narrow(1, 6, 1).sum()));
  REQUIRE(torch::equal(regions[0][0][0][1], map[0][0].narrow(0, 0, 3).narrow(1, 3, 3).sum()));
  REQUIRE(torch::equal(region_sum(map, 1), map));
  REQUIRE_THROWS(region_sum(map, 0));
}

TEST_CASE("maps of patches carry the error of the sum", "[fisher][maps][statistical]") {
  // Pixels of a draw hang together, so their errors do not add up to that of a sum.
  const LowRankField field;
  auto law = field.law();
  auto rng = make_generator(43, "test");
  const auto x0 = law.sample(1, rng).view({1, 1, 8, 8});
  FisherMapLevel pixels(1.0), whole(1.0, /*patch=*/8);
  for (int64_t k = 0; k < 400; ++k) {
    const auto noise = torch::randn(x0.sizes(), rng, kDouble);
    auto probes = rng.clone();
    pixels.add(law, x0, noise, probes);
    whole.add(law, x0, noise, rng);
  }
  const auto sum = whole.maps().fisher_obs;
  REQUIRE(torch::allclose(sum.value, region_sum(pixels.maps().fisher_obs.value, 8), 1e-12));
  const auto a = field.jacobian(1.0);
  const auto spread =
      std::sqrt(2 * (a.square().sum() - a.diagonal().square().sum()).item<double>());
  REQUIRE_THAT(sum.standard_error.item<double>(), WithinRel(spread / 20, 0.2));
}
