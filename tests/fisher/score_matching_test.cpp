#include "fisher/score_matching.h"

#include "core/random.h"
#include "fisher/denoiser_jacobian.h"
#include "fisher/sample_moments.h"
#include "tests/fisher/gaussian_fields.h"
#include "tests/fisher/known_laws.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("sliced score matching has Hyvarinen's mean, and less spread the less it samples",
          "[fisher][oracle][statistical]") {
  // Bumps along an axis: the Jacobian is diagonal, and Rademacher probes are exact.
  auto mean = torch::zeros({16}, torch::kFloat64);
  mean[0] = 2;
  GaussianMixture data(torch::full({2}, 0.5), torch::stack({-mean, mean}), torch::full({16}, 0.25));
  ScaledScore denoiser(data, 0.8);
  const double sigma = 0.7;
  auto rng = make_generator(1, "test");
  const auto x = noisy(data, 20000, sigma, rng);
  const auto level = torch::full({x.size(0)}, sigma, x.options());
  const auto gaussian = torch::randn(x.sizes(), rng, x.options());
  const auto signs = rademacher_like(x, rng);
  SampleMoments moments(4);
  moments.add(torch::stack(
      {hyvarinen_loss(denoiser, x, level), sliced_loss(denoiser, x, level, gaussian),
       sliced_loss_vr(denoiser, x, level, gaussian), sliced_loss_vr(denoiser, x, level, signs)},
      1));
  // FD - J: the divergence of 0.8 s is 0.04 J.
  const double exact = (0.04 - 1) * data.fisher_information(sigma);
  const std::vector<double> spread = {5.08, 22.1, 13.3, 5.08};  // per sample, in 1 / x^2
  for (int64_t i = 0; i < 4; ++i) {
    const auto loss = moments.mean(i);
    INFO("loss " << i << ": " << loss.value << " +- " << loss.standard_error);
    REQUIRE(std::abs(loss.value - exact) < 5 * loss.standard_error);
    REQUIRE_THAT(loss.standard_error * std::sqrt(20000.0),
                 WithinRel(spread[static_cast<size_t>(i)], 0.03));
  }
  REQUIRE_THAT(moments.mean(3).value, WithinAbs(moments.mean(0).value, 1e-10));
  // Paired, the mean of each sliced form is that of the exact one to the probes' noise alone.
  for (const auto& weights : {std::vector<double>{-1, 1, 0, 0}, {-1, 0, 1, 0}}) {
    const auto difference = moments.combination(weights);
    REQUIRE(std::abs(difference.value) < 5 * difference.standard_error);
  }
}
