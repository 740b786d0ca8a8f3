#include "fisher/entropy.h"

#include "core/error.h"
#include "core/random.h"
#include "fisher/bits_per_dim.h"
#include "fisher/fisher_level.h"
#include "fisher/log_sigma_quadrature.h"
#include "tests/fisher/known_laws.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

// h of the two bumps in 16 dimensions, nats: of clean data and at sigma = 0.05.
constexpr double kCleanEntropy = 12.305715288;
constexpr double kEntropyAt005 = 12.3853098;

FisherEntropy with_exact_information(double sigma_min, double sigma_max, int64_t levels) {
  const TwoBumps bumps;
  const auto sigma = log_spaced_levels(sigma_min, sigma_max, levels);
  std::vector<Estimate> information;
  for (const double s : sigma) information.push_back({bumps.law.fisher_information(s), 0, 1});
  return fisher_entropy(sigma, information, bumps.gaussian());
}

}  // namespace

TEST_CASE("Fisher integration of exact information leaves the known error of its quadrature",
          "[fisher][oracle]") {
  const auto error = [](double sigma_min, double sigma_max, int64_t levels) {
    return std::abs(with_exact_information(sigma_min, sigma_max, levels).clean.value -
                    kCleanEntropy);
  };
  REQUIRE_THAT(error(0.01, 50, 8), WithinAbs(0.06, 0.005));
  REQUIRE(error(0.01, 50, 16) < 1.8e-4);
  REQUIRE(error(0.01, 50, 32) < 5e-5);
  REQUIRE(error(0.01, 200, 400) < 2e-6);
  // What the first-order tail leaves below 0.05: d / 2 (ln(1 + q) - q / (1 + q)), q = sigma^2 / v.
  REQUIRE_THAT(error(0.05, 20, 4000), WithinRel(8 * (std::log(1.01) - 0.01 / 1.01), 0.02));
}

TEST_CASE("the entropy at the lowest level is that of the noised data", "[fisher][oracle]") {
  const auto entropy = with_exact_information(0.05, 200, 4000);
  REQUIRE_THAT(entropy.noised.value, WithinAbs(kEntropyAt005, 5e-7));
  REQUIRE(entropy.sigma_min == 0.05);
  REQUIRE_THAT(entropy.gaussian_entropy,
               WithinRel(gaussian_entropy(TwoBumps().gaussian(), 200), 1e-12));
}

TEST_CASE("the entropy of a Gaussian is found with its closed form as the start",
          "[fisher][oracle]") {
  const auto law = four_axes();
  const auto sigma = log_spaced_levels(0.001, 10, 400);
  std::vector<Estimate> information;
  for (const double s : sigma) information.push_back({law.fisher_information(s), 0, 1});
  const auto entropy = fisher_entropy(sigma, information, law);
  const double exact = 2 * std::log(2 * M_PI * M_E) + 0.5 * std::log(4 * 1 * 0.25 * 0.01);
  REQUIRE_THAT(gaussian_entropy(law, 0), WithinRel(exact, 1e-12));
  REQUIRE_THAT(entropy.clean.value, WithinAbs(exact, 1e-4));
}

TEST_CASE("Fisher integration of measured information is within its standard error",
          "[fisher][oracle][statistical]") {
  TwoBumps bumps;
  const auto sigma = log_spaced_levels(0.01, 50, 16);
  std::vector<Estimate> second_moment;
  std::vector<Estimate> observed;
  std::vector<Estimate> low;
  for (size_t k = 0; k < sigma.size(); ++k) {
    auto rng = make_generator(5, "test", static_cast<int64_t>(k));
    FisherLevel level(sigma[k], 16, /*probes=*/1);
    const auto x0 = bumps.law.sample(20000, rng);
    level.add(bumps.law, x0, torch::randn(x0.sizes(), rng, x0.options()), rng);
    second_moment.push_back(level.estimates().fisher_info_exp);
    observed.push_back(level.estimates().fisher_info_obs);
    low.push_back(level.estimates().fisher_info_low);
  }
  const double exact = with_exact_information(0.01, 50, 16).clean.value;
  for (const auto& information : {second_moment, observed, low}) {
    const auto entropy = fisher_entropy(sigma, information, bumps.gaussian());
    require_within(entropy.clean, exact);
    REQUIRE(entropy.clean.count == 20000);
    REQUIRE(entropy.standard_error_bound > entropy.noised.standard_error);
  }
}

TEST_CASE("bits per dimension count bins", "[fisher]") {
  // A uniform density over one bin costs nothing, over 256 bins 8 bits.
  REQUIRE_THAT(bits_per_dim(3 * std::log(1 / 127.5), 3, 1 / 127.5), WithinAbs(0, 1e-12));
  REQUIRE_THAT(bits_per_dim(5 * std::log(256 / 127.5), 5, 1 / 127.5), WithinAbs(8, 1e-12));
  REQUIRE_THAT(bits_per_dim(0, 1, 1 / 127.5), WithinAbs(std::log2(127.5), 1e-12));
  REQUIRE_THAT(bits_per_dim(kCleanEntropy, 16, 1), WithinAbs(1.109587151, 1e-8));
}

TEST_CASE("levels that cannot be integrated over are refused", "[fisher][error]") {
  REQUIRE_THROWS_AS(log_sigma_weights({1.0}), ConfigError);
  REQUIRE_THROWS_AS(log_sigma_weights({1.0, 0.5}), ConfigError);
  REQUIRE_THROWS_AS(log_sigma_weights({0.0, 0.5}), ConfigError);
}
