#include "fisher/score_moments.h"

#include <cmath>

#include "core/gaussian_mixture.h"
#include "core/random.h"
#include "fisher/sigma_bins.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const auto kDouble = torch::kFloat64;

/// Stationary periodic field of 16 x 16, as diag(lambda) in its Fourier basis.
GaussianMixture stationary_field() {
  const auto k = torch::arange(-8, 8, kDouble);
  const auto k2 = (k.square().unsqueeze(1) + k.square()).flatten();
  return {torch::ones({1}), torch::zeros({1, 256}), (1 + k2).pow(-1.5)};
}

GaussianMixture two_bumps() {
  const auto u = torch::full({16}, 0.25, kDouble);
  return {torch::full({2}, 0.5), torch::stack({-2 * u, 2 * u}), torch::full({16}, 0.25)};
}

DenoisedBatch denoised_batch(GaussianMixture& data, double sigma, int64_t count,
                             at::Generator& rng) {
  const auto x0 = data.sample(count, rng);
  const auto noise = torch::randn(x0.sizes(), rng, x0.options());
  const auto level = torch::full({count}, sigma, kDouble);
  return {x0, noise, level, data.denoise(x0 + sigma * noise, level)};
}

FisherEstimates estimates_with(ControlVariates controls, const DenoisedBatch& batch) {
  ScoreMoments moments(batch.x0.size(1), /*probes=*/0, controls);
  moments.add(batch);
  return moments.estimates();
}

/// Standard deviation of one sample over the mean.
double relative_deviation(const Estimate& estimate) {
  return estimate.standard_error * std::sqrt(static_cast<double>(estimate.count)) / estimate.value;
}

struct Reduction {
  double sigma;
  ControlVariates controls;
  double exp, stein, eps_mse;
};

void require_reductions(GaussianMixture data, const std::vector<Reduction>& table) {
  for (const auto& row : table) {
    auto rng = make_generator(23, "test", static_cast<int64_t>(1000 * row.sigma));
    const auto batch = denoised_batch(data, row.sigma, 40000, rng);
    const auto e = estimates_with(row.controls, batch);
    INFO("sigma " << row.sigma << " controls " << static_cast<int>(row.controls));
    // Both sides are of finite samples, the table of fewer: heavy tails move it by some per cent.
    const auto near = [](double value) { return WithinAbs(value, 0.05 * value + 0.0015); };
    REQUIRE_THAT(relative_deviation(e.fisher_info_exp), near(row.exp));
    REQUIRE_THAT(relative_deviation(e.fisher_info_stein), near(row.stein));
    REQUIRE_THAT(relative_deviation(e.eps_mse), near(row.eps_mse));
  }
}

}  // namespace

TEST_CASE("control variates reduce the noise as much as the theory's numbers say",
          "[fisher][oracle][statistical]") {
  using C = ControlVariates;
  require_reductions(two_bumps(), {{1.0, C::none, 0.355, 0.378, 0.512},
                                   {1.0, C::plug_in, 0.218, 0.147, 0.500},
                                   {1.0, C::regression, 0.141, 0.089, 0.436},
                                   {5.0, C::none, 0.350, 0.352, 0.467},
                                   {5.0, C::plug_in, 0.066, 0.036, 0.467},
                                   {5.0, C::regression, 0.022, 0.011, 0.368}});
  require_reductions(stationary_field(), {{0.2, C::none, 0.091, 0.094, 0.137},
                                          {0.2, C::plug_in, 0.048, 0.032, 0.134},
                                          {0.2, C::regression, 0.043, 0.027, 0.111}});
}

TEST_CASE("control variates leave every mean where it is", "[fisher][oracle][statistical]") {
  auto data = two_bumps();
  auto rng = make_generator(29, "test");
  const auto batch = denoised_batch(data, 1.0, 20000, rng);
  const double exact = data.fisher_information(1.0);
  for (const auto controls :
       {ControlVariates::none, ControlVariates::plug_in, ControlVariates::regression}) {
    const auto e = estimates_with(controls, batch);
    for (const auto& info : {e.fisher_info_exp, e.fisher_info_stein, e.fisher_info_low}) {
      INFO(static_cast<int>(controls) << ": " << info.value << " +- " << info.standard_error);
      REQUIRE(std::abs(info.value - exact) < 5 * info.standard_error);
    }
  }
}

TEST_CASE("the coefficients of a fold come from the other fold", "[fisher][oracle]") {
  // Controls equal to the variable: coefficients of the same samples would leave exactly nothing.
  auto rng = make_generator(31, "test");
  const auto z = torch::randn({64, 1}, rng, kDouble);
  std::vector<int64_t> counts;
  ControlledMoments moments(1, 1, [&](const SampleMoments& others) {
    counts.push_back(others.count());
    return regression_coefficients(others, 1);
  });
  const auto x = 3 * z + 1 + 0.1 * torch::randn({64, 1}, rng, kDouble);
  moments.add(x.narrow(0, 0, 31), z.narrow(0, 0, 31));
  moments.add(x.narrow(0, 31, 33), z.narrow(0, 31, 33));
  const auto mean = moments.combination({1.0});
  REQUIRE(counts == std::vector<int64_t>{32, 32});
  REQUIRE(mean.count == 64);
  // By hand: even samples with the slope of the odd ones and the other way round.
  const auto half = [](const torch::Tensor& t, int64_t first) { return t.slice(0, first, 64, 2); };
  double by_hand = 0;
  for (const int64_t fold : {0, 1}) {
    const auto zo = half(z, 1 - fold) - half(z, 1 - fold).mean();
    const auto xo = half(x, 1 - fold) - half(x, 1 - fold).mean();
    const double slope = (zo * xo).sum().item<double>() / zo.square().sum().item<double>();
    by_hand += 0.5 * (half(x, fold) - slope * half(z, fold)).mean().item<double>();
  }
  REQUIRE_THAT(mean.value, WithinAbs(by_hand, 1e-12));
  REQUIRE_THAT(mean.standard_error, WithinRel(0.1 / 8, 0.5));
}

TEST_CASE("bins of sigma hold the free estimates of drawn noise levels",
          "[fisher][oracle][statistical]") {
  auto data = two_bumps();
  auto rng = make_generator(37, "test");
  SigmaBins bins(0.5, 8, 4, 16);  // edges 0.5, 1, 2, 4, 8
  for (int batch = 0; batch < 40; ++batch) {
    const auto sigma =
        0.5 * (torch::rand({1000}, rng, kDouble) * std::log(16.0)).exp();  // log-uniform
    const auto x0 = data.sample(1000, rng);
    const auto noise = torch::randn(x0.sizes(), rng, x0.options());
    bins.add({x0, noise, sigma, data.denoise(x0 + per_sample(sigma, x0) * noise, sigma)});
  }
  const auto estimates = bins.estimates();
  REQUIRE(estimates.size() == 4);
  for (size_t i = 0; i < 4; ++i) {
    const auto& e = estimates[i];
    const double low = 0.5 * std::pow(2.0, static_cast<double>(i));
    REQUIRE_THAT(e.sigma, WithinRel(low * std::sqrt(2.0), 0.01));
    REQUIRE_THAT(static_cast<double>(e.eps_mse.count), WithinRel(10000, 0.05));
    // The fraction in a bin is the mean of j over ln sigma.
    double fraction = 0;
    for (int k = 0; k < 64; ++k) {
      const double sigma = low * std::pow(2.0, (k + 0.5) / 64);
      fraction += sigma * sigma * data.fisher_information(sigma) / 16 / 64;
    }
    for (const auto& info : {e.fisher_info_exp, e.fisher_info_stein, e.fisher_info_low}) {
      const auto j = e.fraction(info);
      INFO("bin " << i << ": " << j.value << " +- " << j.standard_error << ", " << fraction);
      REQUIRE(std::abs(j.value - fraction) < 5 * j.standard_error);
    }
    REQUIRE(std::abs(e.score_calibration.value - 1) < 5 * e.score_calibration.standard_error);
    REQUIRE(std::abs(e.consistency_z) < 5);
    REQUIRE(std::abs(e.virial_z()) < 5);
    REQUIRE(std::abs(e.mean_score_z) < 5);
  }

  SigmaBins again(0.5, 8, 4, 16);
  again.load(bins.state());
  REQUIRE(again.estimates()[2].fisher_info_exp.value == estimates[2].fisher_info_exp.value);
  REQUIRE(again.estimates()[2].mean_score_z == estimates[2].mean_score_z);
  again.clear();
  REQUIRE(again.estimates().empty());
}
