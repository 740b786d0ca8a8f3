#include "samplers/registry.h"

#include <regex>

#include "core/gaussian_mixture.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

/// Evaluations over `steps` steps from sigma = 10 down to 0.05, evenly spaced in ln sigma.
int64_t evaluations(const Sampler& sampler, int steps) {
  std::vector<double> sigmas;
  for (int i = 0; i <= steps; ++i) sigmas.push_back(10 * std::pow(0.005, double(i) / steps));
  GaussianMixture gaussian(torch::ones({1}), torch::ones({1, 2}), torch::full({2}, 0.25));
  CountingDenoiser counted(gaussian);
  NoiseSource noise(1, 0, 4);
  sampler.sample(counted, 10 * noise.normal_like(torch::empty({4, 2})), sigmas, noise);
  return counted.nfe();
}

}  // namespace

TEST_CASE("every sampler costs the evaluations a step that its row says", "[sampler][nfe]") {
  for (const auto& entry : sampler_registry()) {
    DYNAMIC_SECTION(entry.name) {
      SamplerOptions options;
      options.name = entry.name;
      const auto sampler = make_sampler(options);
      if (entry.nfe > 0) {
        REQUIRE(evaluations(*sampler, 24) - evaluations(*sampler, 12) == 12 * entry.nfe);
      }
    }
  }
}

TEST_CASE("a sampler of yours is asked for by name and a name that is taken is refused",
          "[sampler][error]") {
  const auto maker_of_heun = [](const SamplerOptions& options) {
    auto heun = options;
    heun.name = "heun";
    return make_sampler(heun);
  };
  SamplerEntry entry = {"mine", "a test",     "Nobody 2000", false, 2, 2, GridSpacing::karras,
                        32,     maker_of_heun};
  const auto& first = sampler_registry().front();
  register_sampler(entry);
  REQUIRE(&first == &sampler_registry().front());
  REQUIRE(evaluations(*make_sampler({.name = "mine"}), 12) == 24);
  REQUIRE(make_grid({.name = "mine"}, ModelRange()).size() == 33);  // its 32 steps, and 0

  REQUIRE_THROWS_WITH(register_sampler(entry), Contains("a sampler 'mine' already"));
  entry.name = "heun";
  REQUIRE_THROWS_WITH(register_sampler(entry), Contains("a sampler 'heun' already"));
  entry.name = "two words";
  REQUIRE_THROWS_WITH(register_sampler(entry), Contains("want a name"));
  entry.name = "without_maker";
  entry.make = nullptr;
  REQUIRE_THROWS_WITH(register_sampler(entry), Contains("'without_maker': want"));
}

TEST_CASE("every sampler names its papers by author and year", "[sampler]") {
  const std::regex papers(R"([A-Z][^;]* \d{4}(; [A-Z][^;]* \d{4})*)");
  for (const auto& entry : sampler_registry()) {
    INFO(entry.name);
    REQUIRE(std::regex_match(entry.paper, papers));
    REQUIRE(*entry.summary != '\0');
  }
}
