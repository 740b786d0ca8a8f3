#include "fisher/intrinsic_dimension.h"

#include "core/random.h"
#include "fisher/sample_moments.h"
#include "tests/fisher/gaussian_fields.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

Estimate mean_of(const torch::Tensor& values) {
  SampleMoments moments(1);
  moments.add(values.unsqueeze(1));
  return moments.mean(0);
}

}  // namespace

TEST_CASE("three ways count the dimensions of a field of rank 5", "[fisher][oracle][statistical]") {
  auto data = low_rank_field();
  const double sigma = GENERATE(0.02, 0.05);
  auto rng = make_generator(1, "test");
  const auto x0 = data.sample(20000, rng);
  const auto noise = torch::randn(x0.sizes(), rng, x0.options());
  const auto mean = mean_of(mmse_dimension(data, x0, noise, sigma));
  REQUIRE(std::abs(mean.value - data.mmse(sigma) / (sigma * sigma)) < 5 * mean.standard_error);
  REQUIRE_THAT(mean.value, WithinAbs(5, 0.05 + 2 * mean.standard_error));

  const auto at_data = flipd(data, x0.narrow(0, 0, 500), sigma, /*probes=*/0, rng);
  REQUIRE_THAT(mean_of(at_data).value, WithinAbs(5, 0.05));
  const int64_t probes = GENERATE(1, 3);
  const auto probed = mean_of(flipd(data, x0.narrow(0, 0, 5000), sigma, probes, rng));
  REQUIRE(std::abs(probed.value - mean_of(at_data).value) < 5 * probed.standard_error + 0.005);

  const auto bundle = normal_bundle(data, x0.narrow(0, 0, 1), sigma, /*draws=*/256, 100, rng);
  REQUIRE(bundle.dimension == 5);
  REQUIRE(bundle.singular_values.size(0) == 64);
}

TEST_CASE("FLIPD of a Gaussian is that of the closed form at every noise level",
          "[fisher][oracle]") {
  auto rng = make_generator(2, "test");
  auto data = deficient_gaussian(rng);
  const auto x0 = data.sample(8, rng);
  const double sigma = GENERATE(0.1, 1.0, 3.0), variance = sigma * sigma;
  // d + sigma^2 (tr grad s + |s|^2) with s = -(Cov + sigma^2 I)^-1 (x - mean).
  const auto trace = -(data.variances() + variance).reciprocal().sum();
  const auto s = score(data, x0, torch::full({8}, sigma, x0.options()));
  const auto exact = 4 + variance * (trace + s.square().sum(1));
  const auto found = flipd(data, x0, sigma, /*probes=*/0, rng);
  REQUIRE((found - exact).abs().max().item<double>() < 1e-10);
}
