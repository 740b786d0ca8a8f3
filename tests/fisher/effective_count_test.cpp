#include "fisher/effective_count.h"

#include "core/random.h"
#include "fisher/fisher_level.h"
#include "tests/fisher/known_laws.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const auto kDouble = torch::kFloat64;

double count_of(const torch::Tensor& samples, int64_t batch) {
  EffectiveCount count;
  for (const auto& part : samples.split(batch)) count.add(part);
  REQUIRE(count.count() == samples.numel());
  return count.value();
}

}  // namespace

TEST_CASE("the effective count is that of the definition, whatever the batches",
          "[fisher][oracle]") {
  auto rng = make_generator(1, "test");
  const auto x = 7 + torch::randn({1000}, rng, kDouble).exp();
  const auto w = (x - x.mean()).square();
  const double exact = (w.sum().square() / w.square().sum()).item<double>();
  for (const int64_t batch : {1000, 999, 37, 1}) {
    REQUIRE_THAT(count_of(x, batch), WithinRel(exact, 1e-10));
  }
  REQUIRE(count_of(torch::full({40}, 3.5, kDouble), 7) == 40);
}

TEST_CASE("the effective count of known laws", "[fisher][oracle][statistical]") {
  auto rng = make_generator(2, "test");
  const int64_t n = 200000;
  // n over the kurtosis: 3 of a Gaussian, 1 of a sign, 1 / p - 2 and more of rare events.
  REQUIRE_THAT(count_of(torch::randn({n}, rng, kDouble), 5000), WithinRel(n / 3.0, 0.05));
  REQUIRE_THAT(count_of(torch::randint(0, 2, {n}, rng, kDouble), 5000), WithinRel(1.0 * n, 0.01));
  auto rare = torch::zeros({n}, kDouble);
  rare.narrow(0, 0, 4).fill_(1.0);
  REQUIRE_THAT(count_of(rare, 5000), WithinRel(4.0, 1e-3));
}

TEST_CASE("a level of the mixture at low noise rests on few images, and a reloaded one knows it",
          "[fisher][roundtrip][statistical]") {
  TwoBumps bumps;
  auto rng = make_generator(3, "test");
  FisherLevel level(0.047, 16, /*probes=*/1);
  const auto x0 = bumps.law.sample(1024, rng);
  for (const auto& part : x0.split(400)) {
    level.add(bumps.law, part, torch::randn(part.sizes(), rng, kDouble), rng);
  }
  const double count = level.estimates().observed_count;
  REQUIRE(count >= 1);
  REQUIRE(count < 5);
  FisherLevel again(0.047, 16, /*probes=*/1);
  again.load(level.state());
  REQUIRE(again.estimates().observed_count == count);
  REQUIRE(FisherLevel(0.047, 16, 0).state().size() == level.state().size());
}
