#include "fisher/class_information.h"

#include "core/error.h"
#include "core/random.h"
#include "fisher/fisher_level.h"
#include "fisher/log_sigma_quadrature.h"
#include "tests/fisher/known_laws.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

/// E |s(x | c) - s(x)|^2 of the two bumps: m^2 mmse_1(m^2 / t) / t^2, t = v + sigma^2.
double exact_gap(double sigma) {
  const double t = TwoBumps::kVariance + sigma * sigma;
  const double power = TwoBumps::kHalfDistance * TwoBumps::kHalfDistance;
  return power * sign_mmse(power / t) / (t * t);
}

double exact_integral(const std::vector<double>& sigma) {
  const auto weights = log_sigma_weights(sigma);
  double sum = 0;
  for (size_t k = 0; k < sigma.size(); ++k) {
    sum += weights[k] * sigma[k] * sigma[k] * exact_gap(sigma[k]);
  }
  return sum;
}

ClassInformation measure(const std::vector<double>& sigma, int64_t images, int64_t seed = 0) {
  TwoBumps bumps;
  auto rng = make_generator(47, "test", seed);
  ClassInformation information(sigma, 16);
  for (const double sign : {-1.0, 1.0}) {
    auto bump = bumps.bump(sign);
    information.add(bump, bumps.law, bump.sample(images / 2, rng), rng);
  }
  return information;
}

}  // namespace

TEST_CASE("the class gap of two bumps integrates to their mutual information", "[fisher][oracle]") {
  // I(c; x) in nats at sigma = 0.5, 1, 10 and, nearly, 0: it is ln 2 less 1e-4 for clean data.
  REQUIRE_THAT(exact_integral(log_spaced_levels(1, 10, 4000)),
               WithinAbs(0.59765020 - 0.01956222, 1e-7));
  REQUIRE_THAT(exact_integral(log_spaced_levels(0.5, 10, 4000)),
               WithinAbs(0.68653582 - 0.01956222, 1e-7));
  const double all = exact_integral(log_spaced_levels(0.001, 1000, 400));
  REQUIRE_THAT(all, WithinAbs(std::log(2.0), 2e-4));
  REQUIRE(all < std::log(2.0));
}

TEST_CASE("class information is within its standard error of the closed form",
          "[fisher][oracle][statistical]") {
  // From 1 on enough samples lie between the bumps for honest errors.
  const auto sigma = log_spaced_levels(1, 10, 16);
  const auto information = measure(sigma, 30000);
  for (size_t k = 0; k < sigma.size(); k += 5) {
    require_within(information.gap(k), sigma[k] * sigma[k] * exact_gap(sigma[k]) / 16);
  }
  require_within(information.information(), exact_integral(sigma));
  require_within(information.information_of_loss(), exact_integral(sigma));
  REQUIRE(information.information().value < std::log(2.0));
  REQUIRE(information.information().count == 30000);
}

TEST_CASE("errors that the two denoisers have in common do not pass for class information",
          "[fisher][oracle][statistical]") {
  // Both denoisers are off by what the other is not: gaps add up, losses do not.
  class Off final : public Denoiser {
   public:
    Off(Denoiser& inner, double by) : inner_(inner), by_(by) {}
    torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor& sigma) override {
      return inner_.denoise(x, sigma) + by_ * per_sample(sigma, x);
    }

   private:
    Denoiser& inner_;
    double by_;
  };
  TwoBumps bumps;
  auto rng = make_generator(48, "test");
  const auto sigma = log_spaced_levels(1, 10, 16);
  ClassInformation information(sigma, 16);
  for (const double sign : {-1.0, 1.0}) {
    auto bump = bumps.bump(sign);
    Off conditional(bump, 0.1), unconditional(bumps.law, -0.1);
    information.add(conditional, unconditional, bump.sample(15000, rng), rng);
  }
  const double added = 16 * 0.2 * 0.2 * std::log(10.0);
  require_within(information.information(), exact_integral(sigma) + added);
  require_within(information.information_of_loss(), exact_integral(sigma));
}

TEST_CASE("the standard error of class information knows that levels share images",
          "[fisher][statistical]") {
  const auto sigma = log_spaced_levels(1, 3, 8);
  const int64_t runs = 200;
  std::vector<double> values;
  std::vector<double> errors;
  for (int64_t seed = 1; seed <= runs; ++seed) {
    const auto estimate = measure(sigma, 100, seed).information();
    values.push_back(estimate.value);
    errors.push_back(estimate.standard_error);
  }
  const double spread = torch::tensor(values, torch::kFloat64).std().item<double>();
  const double claimed =
      torch::tensor(errors, torch::kFloat64).square().mean().sqrt().item<double>();
  REQUIRE_THAT(claimed / spread, WithinAbs(1, 5 / std::sqrt(2.0 * runs)));
}
