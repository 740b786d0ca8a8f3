// A sampler of your own, out of tree: written here, registered under a name, held against its order
// where the answer is known, and used on a model by that name.
//
//     custom_sampler [CHECKPOINT PNG]
#include <halcyon/checkpoint/checkpoint.h>
#include <halcyon/core/error.h>
#include <halcyon/data/image_set.h>
#include <halcyon/io/image_grid.h>
#include <halcyon/samplers/convergence.h>

#include <cmath>
#include <cstdio>
#include <memory>

namespace {

/// Kutta's third-order method (Kutta 1901) on the probability-flow ODE in l = ln sigma,
/// dx/dl = x - D(x; sigma).  3 NFE a step, but 1 for a step to sigma = 0, which is D.
class Kutta3Sampler final : public halcyon::Sampler {
  torch::Tensor run(halcyon::Denoiser& denoiser, torch::Tensor x, const std::vector<double>& sigmas,
                    halcyon::NoiseSource&) const override {
    const auto slope = [&](double l, const torch::Tensor& at) {
      return at - halcyon::denoise_at(denoiser, at, std::exp(l));
    };
    for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
      if (sigmas[i + 1] == 0) return halcyon::denoise_at(denoiser, x, sigmas[i]);
      const double l = std::log(sigmas[i]);
      const double h = std::log(sigmas[i + 1]) - l;
      const auto k1 = slope(l, x);
      const auto k2 = slope(l + h / 2, x + h / 2 * k1);
      const auto k3 = slope(l + h, x + h * (2 * k2 - k1));
      x = x + h / 6 * (k1 + 4 * k2 + k3);
    }
    return x;
  }
};

std::unique_ptr<halcyon::Sampler> make_kutta3(const halcyon::SamplerOptions&) {
  return std::make_unique<Kutta3Sampler>();
}

/// Whether the method does what it says, on two laws whose flow is known.
bool has_order(double wanted) {
  auto gaussian = halcyon::gaussian_flow();
  auto mixture = halcyon::mixture_flow();
  const Kutta3Sampler sampler;
  const double first = halcyon::convergence_order(sampler, gaussian);
  const double second = halcyon::convergence_order(sampler, mixture);
  std::printf("kutta3: order %.2f on a Gaussian, %.2f on a mixture\n", first, second);
  return std::abs(first - wanted) < 0.15 && std::abs(second - wanted) < 0.15;
}

}  // namespace

int main(int argc, char** argv) try {
  halcyon::register_sampler({.name = "kutta3",
                             .summary = "Kutta's method of order 3",
                             .paper = "Kutta 1901",
                             .stochastic = false,
                             .order = 3,
                             .nfe = 3,
                             .grid = halcyon::GridSpacing::karras,
                             .steps = 16,
                             .make = make_kutta3});
  if (!has_order(3)) return 1;
  if (argc != 3) return 0;

  const auto model = halcyon::load_model(argv[1]);
  const auto images = halcyon::draw_samples(model, {.name = "kutta3"}, /*count=*/16);
  halcyon::write_png(argv[2], halcyon::image_grid(halcyon::to_pixels(images), /*columns=*/4));
  std::printf("16 images by kutta3: %s\n", argv[2]);
  return 0;
} catch (const halcyon::UserError& error) {
  std::fprintf(stderr, "custom_sampler: %s\n", error.what());
  return 2;
}
