#include <cmath>
#include <functional>

#include "core/error.h"
#include "core/noise_grid.h"
#include "core/posterior_denoiser.h"
#include "samplers/ancestral.h"
#include "samplers/ddrm.h"
#include "samplers/registry.h"
#include "samplers/repaint.h"
#include "tests/support/catch.h"
#include "tests/support/gaussian_posterior.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

/// Row 1 + dim + k dim + j gets the j-th unit for the k-th draw, and all others 0.
class UnitNoise final : public NoiseSource {
 public:
  explicit UnitNoise(int64_t count) : NoiseSource(0, 0, count) {}
  torch::Tensor normal_like(const torch::Tensor& x) override {
    auto n = torch::zeros_like(x);
    const auto dim = x[0].numel();
    const auto row = 1 + dim + dim * draws++;
    if (row < x.size(0)) {
      n.narrow(0, row, dim).copy_(torch::eye(dim, x.options()).reshape_as(n.narrow(0, row, dim)));
    }
    return n;
  }
  torch::Tensor normal_between(const torch::Tensor& x, double, double) override {
    return normal_like(x);
  }
  int64_t draws = 0;
};

/// Draws from x with the measurement y, of as many rows.
using Restoration = std::function<torch::Tensor(const torch::Tensor& x, const torch::Tensor& y,
                                                NoiseSource& noise)>;

torch::Tensor repeated(const torch::Tensor& y, int64_t count) {
  auto shape = y.sizes().vec();
  shape[0] = count;
  return y.expand(shape);
}

/// The law that a restoration of Gaussian data ends in, from x ~ N(0, sigma^2 I), without error: it
/// is an affine map of x and its draws.  y: [1, ...].
Gaussian exact_law(const Restoration& restore, const std::vector<int64_t>& shape,
                   const torch::Tensor& y, double sigma) {
  const auto dim = shape[0] * shape[1] * shape[2];
  const auto zeros = [&](int64_t rows) {
    return torch::zeros({rows, shape[0], shape[1], shape[2]}, torch::kFloat64);
  };
  UnitNoise counter(1);
  restore(zeros(1), y, counter);
  const auto rows = 1 + dim * (1 + counter.draws);
  UnitNoise noise(rows);
  auto x = zeros(rows);
  x.narrow(0, 1, dim).copy_(
      sigma * torch::eye(dim, torch::kFloat64).reshape({dim, shape[0], shape[1], shape[2]}));
  const auto drawn = restore(x, repeated(y, rows), noise).flatten(1);
  const auto gains = drawn.slice(0, 1) - drawn[0];
  return {drawn[0], gains.t().matmul(gains)};
}

double distance(const torch::Tensor& a, const torch::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

std::vector<double> fine_grid(int64_t steps) { return geometric_grid(0.005, 80, steps); }

const std::vector<int64_t> kRow = {1, 1, 4};

/// Of four pixels, sees the first two.
MaskOperator half_mask() { return MaskOperator((torch::arange(4) < 2).reshape({1, 1, 4})); }

torch::Tensor row(std::initializer_list<double> values) {
  return torch::tensor(std::vector<double>(values), torch::kFloat64).unsqueeze(0);
}

}  // namespace

TEST_CASE("samplers of the posterior denoiser end in the posterior",
          "[sampler][posterior][oracle]") {
  const auto prior = random_gaussian(16, 9);
  const double noise = 0.2;
  const auto sigmas = geometric_grid(0.005, 20000, 300);  // so high that no mean is left at first
  for (const auto& [name, measure] : small_operators()) {
    INFO(name);
    auto rng = make_generator(4, "truth");
    const auto y = measure->apply(torch::randn({1, 2, 2, 4}, rng, torch::kFloat64));
    const auto want = posterior(prior, matrix_of(*measure), y.flatten(), noise);
    auto inner = prior.denoiser();
    const GaussianWeight weight(*measure, prior.covariance, noise);
    const auto sampler = make_sampler({.name = "dpmpp_3m"});
    const auto law = exact_law(
        [&](const torch::Tensor& x, const torch::Tensor& ys, NoiseSource& source) {
          PosteriorDenoiser restored(inner, *measure, ys, weight);
          return sampler->sample(restored, x, sigmas, source);
        },
        {2, 2, 4}, y, sigmas[0]);
    CHECK(distance(law.mean, want.mean) < 1e-3);
    CHECK(distance(law.covariance, want.covariance) < 1e-3);
  }
}

TEST_CASE("drawn images have the mean and variance of the posterior",
          "[sampler][posterior][oracle]") {
  const auto prior = random_gaussian(16, 9);
  const double noise = 0.2;
  const int64_t count = 2000;
  const BlurOperator measure({2, 2, 4}, 0.8);
  auto rng = make_generator(4, "truth");
  const auto y = measure.apply(torch::randn({1, 2, 2, 4}, rng, torch::kFloat64));
  const auto want = posterior(prior, matrix_of(measure), y.flatten(), noise);
  auto inner = prior.denoiser();
  const GaussianWeight weight(measure, prior.covariance, noise);
  PosteriorDenoiser restored(inner, measure, repeated(y, count), weight);
  const auto drawn = draw_samples(*make_sampler({.name = "heun"}), restored, {count, 2, 2, 4},
                                  karras_grid(0.005, 80, 60, 7), 3, 0, torch::kFloat64)
                         .flatten(1);
  const auto variance = want.covariance.diagonal();
  const double n = static_cast<double>(count);
  CHECK(((drawn.mean(0) - want.mean) / (drawn.var(0) / n).sqrt()).abs().max().item<double>() < 5);
  const auto error_of_variance = drawn.var(0) * std::sqrt(2 / (n - 1));
  CHECK(((drawn.var(0) - variance) / error_of_variance).abs().max().item<double>() < 5);
}

TEST_CASE("RePaint tends to the posterior of isotropic data", "[sampler][repaint][oracle]") {
  const auto prior = isotropic_gaussian(4, 0.4);
  const auto measure = half_mask();
  const auto y = row({0.3, -0.8});
  for (const double noise : {0.0, 0.3}) {
    INFO("noise " << noise);
    const auto want = posterior(prior, matrix_of(measure), y.flatten(), noise);
    auto inner = prior.denoiser();
    const auto error = [&](int64_t steps, const RepaintOptions& options) {
      const auto law = exact_law(
          [&](const torch::Tensor& x, const torch::Tensor& ys, NoiseSource& source) {
            return RepaintSampler(measure, ys, noise, options)
                .sample(inner, x, fine_grid(steps), source);
          },
          kRow, y, 80);
      return std::max(distance(law.mean, want.mean), distance(law.covariance, want.covariance));
    };
    CHECK(error(200, {.resamplings = 1}) < 0.04);
    CHECK(error(800, {.resamplings = 1}) < 0.01);
    CHECK(error(200, {.resamplings = 3, .jump = 5}) < 0.04);
  }
}

TEST_CASE("pixels that tell nothing of the seen ones RePaint draws as DDPM does",
          "[sampler][repaint][oracle]") {
  const auto measure = half_mask();
  const std::vector<double> sigmas = {5, 2, 0.7, 0.2, 0};
  auto inner = isotropic_gaussian(4, 0.4).denoiser();
  const auto law = [&](auto&& sampler_for) {
    return exact_law(
        [&](const torch::Tensor& x, const torch::Tensor& ys, NoiseSource& source) {
          return sampler_for(ys).sample(inner, x, sigmas, source);
        },
        kRow, row({0.3, -0.8}), sigmas[0]);
  };
  const auto repaint = law([&](const torch::Tensor& ys) {
    return RepaintSampler(measure, ys, 0.1, {.resamplings = 1});
  });
  const auto ddpm = law([](const torch::Tensor&) { return DdpmSampler(); });
  const auto unseen = [](const torch::Tensor& t) { return t.slice(0, 2).slice(-1, -2); };
  CHECK(distance(unseen(repaint.mean), unseen(ddpm.mean)) < 1e-12);
  CHECK(distance(unseen(repaint.covariance), unseen(ddpm.covariance)) < 1e-12);
}

TEST_CASE("RePaint's first step knows the seen pixels already", "[sampler][repaint][oracle]") {
  auto prior = isotropic_gaussian(4, 1);
  prior.covariance = 0.1 * prior.covariance + 0.6;
  const auto measure = half_mask();
  const auto y = row({0.3, -0.8});
  auto inner = prior.denoiser();
  const double sigma = 0.5;
  const auto law = exact_law(
      [&](const torch::Tensor& x, const torch::Tensor& ys, NoiseSource& source) {
        return RepaintSampler(measure, ys, 0, {.resamplings = 1})
            .sample(inner, x, {sigma, 0}, source);
      },
      kRow, y, sigma);
  // To sigma = 0 the unseen pixels are D's of y + sigma n beside noise.
  const auto want =
      denoise_at(inner, row({0.3, -0.8, 0, 0}).reshape({1, 1, 1, 4}), sigma).flatten();
  CHECK(distance(law.mean.slice(0, 2), want.slice(0, 2)) < 1e-12);
  CHECK(distance(law.mean.slice(0, 0, 2), y.flatten()) < 1e-12);
}

TEST_CASE("resampling brings RePaint to the posterior of correlated pixels",
          "[sampler][repaint][oracle]") {
  auto prior = isotropic_gaussian(4, 1);
  prior.covariance = 0.1 * prior.covariance + 0.6;
  const auto measure = half_mask();
  const auto y = row({0.3, -0.8});
  const auto want = posterior(prior, matrix_of(measure), y.flatten(), 0);
  auto inner = prior.denoiser();
  const auto error = [&](int64_t resamplings) {
    const auto law = exact_law(
        [&](const torch::Tensor& x, const torch::Tensor& ys, NoiseSource& source) {
          return RepaintSampler(measure, ys, 0, {.resamplings = resamplings})
              .sample(inner, x, fine_grid(30), source);
        },
        kRow, y, 80);
    UNSCOPED_INFO(resamplings << ": mean " << distance(law.mean, want.mean) << ", covariance "
                              << distance(law.covariance, want.covariance));
    return distance(law.mean, want.mean);
  };
  const double once = error(1);
  const double often = error(5);
  const double more = error(20);
  CHECK(often < once);
  CHECK(more < often);
}

TEST_CASE("DDRM of isotropic data follows its recursion", "[sampler][ddrm][oracle]") {
  const double v = 0.4;
  const double noise = 0.3;
  const DdrmOptions options = {.eta = 0.7, .eta_b = 0.9};
  const auto prior = isotropic_gaussian(16, v);
  // The start of the first is forgotten; that of the second is not.
  const auto sigmas = GENERATE(geometric_grid(0.01, 80, 30), std::vector<double>{0.5, 0.25, 0});
  for (const auto& [name, measure] : small_operators()) {
    INFO(name << " from " << sigmas[0]);
    auto rng = make_generator(4, "truth");
    const auto y = measure->apply(torch::randn({1, 2, 2, 4}, rng, torch::kFloat64));
    auto inner = prior.denoiser();
    const auto law = exact_law(
        [&](const torch::Tensor& x, const torch::Tensor& ys, NoiseSource& source) {
          return DdrmSampler(*measure, ys, noise, options).sample(inner, x, sigmas, source);
        },
        {2, 2, 4}, y, sigmas[0]);

    // Coordinate by coordinate: x' = a x + b n + c, with D = mu + v / (v + sigma^2) (x - mu).
    const auto s = measure->singular_values(y);
    const auto mu = measure->to_singular(prior.mean.reshape({1, 2, 2, 4})).flatten();
    const auto uy = measure->measured(y).flatten();
    auto means = torch::zeros({16}, torch::kFloat64);
    auto variances = torch::zeros({16}, torch::kFloat64);
    for (int64_t i = 0; i < 16; ++i) {
      const double si = s[i].item<double>();
      const double w = si > 0 ? (uy[i] / si).item<double>() : 0;
      const double blur = noise / si;
      const bool known = sigmas[0] > blur;
      double mean = known ? w : 0;
      double variance = sigmas[0] * sigmas[0] - (known ? blur * blur : 0);
      for (size_t k = 0; k + 1 < sigmas.size(); ++k) {
        const double u = sigmas[k + 1];
        const double g = v / (v + sigmas[k] * sigmas[k]);
        const double kept = u * std::sqrt(1 - options.eta * options.eta);
        const double d = mu[i].item<double>() * (1 - g) + g * mean;
        if (si == 0) {
          const double a = g + kept / sigmas[k] * (1 - g);
          mean = d + kept / sigmas[k] * (mean - d);
          variance = a * a * variance + std::pow(options.eta * u, 2);
        } else if (u < blur) {
          const double a = g * (1 - kept / blur);
          mean = d + kept / blur * (w - d);
          variance = a * a * variance + std::pow(options.eta * u, 2);
        } else {
          mean = (1 - options.eta_b) * d + options.eta_b * w;
          variance = std::pow((1 - options.eta_b) * g, 2) * variance + u * u -
                     std::pow(options.eta_b * blur, 2);
        }
      }
      means[i] = mean;
      variances[i] = variance;
    }
    const auto want = measure->from_singular(means.unsqueeze(0)).flatten();
    CHECK(distance(law.mean, want) < 1e-10);
    const auto basis = measure->to_singular(
        torch::eye(16, torch::kFloat64).reshape({16, 2, 2, 4}));  // rows: V^T e_i
    CHECK(distance(law.covariance, basis.matmul(variances.diag()).matmul(basis.t())) < 1e-10);
  }
}

TEST_CASE("DDRM without noise is exact of isotropic data", "[sampler][ddrm][oracle]") {
  const auto prior = isotropic_gaussian(16, 0.4);
  for (const auto& [name, measure] : small_operators()) {
    INFO(name);
    auto rng = make_generator(4, "truth");
    const auto y = measure->apply(torch::randn({1, 2, 2, 4}, rng, torch::kFloat64));
    // Of isotropic data and no noise, A^+ y is known and the rest is as it was.
    const auto inverse = measure->pseudo_inverse(y).flatten();
    const auto kept = measure->pseudo_inverse(
        measure->apply(torch::eye(16, torch::kFloat64).reshape({16, 2, 2, 4})));
    const auto lost = torch::eye(16, torch::kFloat64) - kept.flatten(1);
    auto inner = prior.denoiser();
    const auto error = [&](int64_t steps) {
      const auto law = exact_law(
          [&](const torch::Tensor& x, const torch::Tensor& ys, NoiseSource& source) {
            return DdrmSampler(*measure, ys, 0, {.eta = 0})
                .sample(inner, x, fine_grid(steps), source);
          },
          {2, 2, 4}, y, 80);
      CHECK(distance(law.mean, inverse + lost.matmul(prior.mean)) < 2e-2);
      return distance(law.covariance, 0.4 * lost);
    };
    const double coarse = error(50);
    const double fine = error(100);
    CHECK(fine < 0.03);
    const bool loses = lost.trace().item<double>() > 0.5;  // the blur keeps all
    if (loses) CHECK_THAT(std::log2(coarse / fine), WithinAbs(1, 0.15));
  }
}

TEST_CASE(
    "DPS errs on isotropic data by what its flow says, and the weight of its likelihood does not",
    "[sampler][posterior][oracle][statistical]") {
  // E z^2 over y and its draws, z the distance from the posterior's mean in its deviations: 1 for
  // the posterior.  DPS's flow by itself, coordinate by coordinate in NumPy, 1000 steps of Heun in
  // ln sigma from 80 to 0.002, 100000 draws: 1.494 with standard error 0.007.
  const double v = 0.4;
  const double noise = 0.3;
  const int64_t count = 10000;
  auto inner = GaussianMixture(torch::ones({1}), torch::zeros({1, 4}), torch::full({4}, v));
  const MaskOperator measure(torch::ones({1, 1, 4}, torch::kBool));
  auto rng = make_generator(8, "truth and noise");
  const auto normal = [&] { return torch::randn({count, 1, 1, 4}, rng, torch::kFloat64); };
  const auto y = measure.apply(std::sqrt(v) * normal() + noise * normal());
  const auto x = 80 * normal();
  auto sigmas = geometric_grid(0.002, 80, 300);
  sigmas.pop_back();  // the 0 it ends with
  const auto moments = [&](const ResidualWeight& weight) {
    PosteriorDenoiser restored(inner, measure, y, weight);
    NoiseSource none(1, 0, count);
    const auto drawn = make_sampler({.name = "heun"})->sample(restored, x, sigmas, none);
    const double gain = v / (v + noise * noise);
    const auto z2 = ((drawn.flatten(1) - gain * y).square() / (gain * noise * noise)).mean(1);
    return std::pair(z2.mean().item<double>(), z2.std().item<double>() / std::sqrt(count));
  };
  const auto [dps, dps_error] = moments(NormWeight(measure, v, noise, /*zeta=*/1));
  CHECK_THAT(dps, WithinAbs(1.494, 4 * std::hypot(dps_error, 0.007)));
  const auto [exact, exact_error] = moments(IsotropicWeight(measure, v, noise));
  CHECK_THAT(exact, WithinAbs(1, 4 * exact_error));
}

TEST_CASE("restorations refuse what they cannot do", "[sampler][error]") {
  const PoolingOperator pooling({1, 4, 4}, 2);
  const auto y = torch::zeros({1, 1, 2, 2}, torch::kFloat64);
  CHECK_THROWS_WITH(RepaintSampler(pooling, y, 0.1, {}), Contains("inpaint"));
  CHECK_THROWS_WITH(RepaintSampler(half_mask(), row({0, 0}), 0, {.resamplings = 0}),
                    Contains("repaint.resamplings"));
  CHECK_THROWS_WITH(DdrmSampler(pooling, y, 0.1, {.eta = 1.5}), Contains("ddrm.eta"));
  CHECK_THROWS_WITH(DdrmSampler(pooling, y, 0.1, {.eta_b = -0.5}), Contains("ddrm.eta_b"));
}
