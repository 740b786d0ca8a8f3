// The Fisher information of a toy at a few noise levels, measured through its denoiser and beside
// it the exact value:  fisher_of_a_toy
#include <halcyon/core/random.h>
#include <halcyon/data/toy_distribution.h>
#include <halcyon/fisher/fisher_level.h>
#include <torch/torch.h>

#include <cmath>
#include <cstdio>

int main() {
  constexpr int64_t kDraws = 4000;
  auto toy = halcyon::find_toy("toy:mixture").make();
  auto rng = halcyon::make_generator(/*seed=*/1, "example");
  double worst = 0;

  std::printf("toy:mixture, %ld draws a level\n", static_cast<long>(kDraws));
  std::printf("%8s %10s %8s %10s %6s\n", "sigma", "J", "error", "exact J", "z");
  for (const double sigma : {0.4, 0.7, 1.0, 2.0, 5.0}) {
    halcyon::FisherLevel level(sigma, toy.dim(), /*probes=*/1);
    const auto x0 = toy.sample(kDraws, rng);
    level.add(toy, x0, torch::randn(x0.sizes(), rng, x0.options()), rng);

    const auto j = level.estimates().fisher_info_obs;  // -E tr grad score
    const double exact = toy.fisher_information(sigma);
    const double z = (j.value - exact) / j.standard_error;
    std::printf("%8g %10.4f %8.4f %10.4f %6.2f\n", sigma, j.value, j.standard_error, exact, z);
    worst = std::max(worst, std::abs(z));
  }
  return worst < 5 ? 0 : 1;
}
