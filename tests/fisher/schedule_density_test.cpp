#include "fisher/schedule_density.h"

#include "core/gaussian_mixture.h"
#include "core/random.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const auto kDouble = torch::kFloat64;

}  // namespace

TEST_CASE("schedule densities of Gaussian data have their closed forms",
          "[fisher][oracle][statistical]") {
  // The score of y is -r y with r = (sigma_data^2 + s^2) / (v + s^2).
  const double v = 0.25;
  const double sigma_data = 0.8;
  const int64_t dim = 8;
  GaussianMixture law(torch::ones({1}), torch::zeros({1, dim}, kDouble),
                      torch::full({dim}, v, kDouble));
  auto rng = make_generator(3, "test");
  for (const double s : {0.05, 0.5, 5.0}) {
    CAPTURE(s);
    ScheduleLevel level(s, sigma_data);
    ScheduleLevel still(s, std::sqrt(v));
    for (int part = 0; part < 4; ++part) {
      const auto x0 = law.sample(5000, rng);
      const auto noise = torch::randn({5000, dim}, rng, kDouble);
      level.add(law, x0, noise);
      still.add(law, x0, noise);
    }
    CHECK(still.density().score_change.value < 1e-20);
    const auto density = level.density();
    const double total = v + s * s;
    const double a2 = sigma_data * sigma_data + s * s;
    const double slope = 2 * s * s * (v - sigma_data * sigma_data) / (total * total);
    const double change = s * s / a2 * slope * slope * dim * total / a2;
    const double rate = dim * v / total;
    CHECK_THAT(density.score_change.value,
               WithinAbs(change, 5 * density.score_change.standard_error + 2e-3 * change));
    CHECK_THAT(density.information_rate.value,
               WithinAbs(rate, 5 * density.information_rate.standard_error));
    // |x|^2 and |x_0 - D|^2 are chi-square of dim degrees.
    CHECK_THAT(density.score_change.standard_error,
               WithinRel(change * std::sqrt(2.0 / dim / 20000), 0.1));
    CHECK(density.information_rate.count == 20000);
  }
}

TEST_CASE("levels of equal increments divide the integral evenly", "[fisher][oracle]") {
  std::vector<double> sigmas, flat, rising;
  for (int k = 0; k <= 40; ++k) {
    sigmas.push_back(0.01 * std::pow(1e4, k / 40.0));
    flat.push_back(3);
    rising.push_back(1 + std::log(sigmas.back() / 0.01));  // linear in ln sigma: no error
  }
  const auto even = equal_increments(sigmas, flat, 9);
  REQUIRE(even.size() == 9);
  for (int i = 0; i < 9; ++i) {
    CHECK_THAT(even[static_cast<size_t>(i)], WithinRel(100 * std::pow(1e-4, i / 8.0), 1e-10));
  }
  const auto levels = equal_increments(sigmas, rising, 9);
  const auto integral = [](double sigma) {
    const double u = std::log(sigma / 0.01);
    return u + u * u / 2;
  };
  for (size_t i = 0; i < 9; ++i) {
    CHECK_THAT(integral(levels[i]),
               WithinAbs(integral(100) * (1 - static_cast<double>(i) / 8), 1e-9));
  }
  CHECK(equal_increments(sigmas, flat, 1) == std::vector<double>{sigmas.back()});
  CHECK(equal_increments(sigmas, flat, 2) == std::vector<double>{sigmas.back(), sigmas.front()});
}
