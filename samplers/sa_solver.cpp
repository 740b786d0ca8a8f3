#include "samplers/sa_solver.h"

#include <fmt/format.h>

#include <cmath>
#include <deque>

#include "core/error.h"
#include "core/torch.h"
#include "samplers/multistep.h"

namespace halcyon {
namespace {

struct Known {
  double lambda;
  torch::Tensor denoised;
};

/// int_0^h a exp(-a (h - v)) P(v) dv over the step that begins at `lambda`, P(v) the polynomial
/// through the first `count` of `known`; v = h (1 - tau) makes it an integral over exp(-a h tau).
torch::Tensor integral(const std::deque<Known>& known, size_t count, double lambda, double h,
                       double a) {
  std::vector<double> nodes;
  EstimateHistory values;
  for (size_t j = 0; j < count; ++j) {
    nodes.push_back(1 - (known[j].lambda - lambda) / h);
    values.push_back(known[j].denoised);
  }
  return a * h * weighted_sum(interpolation_weights(nodes, a * h), values);
}

}  // namespace

SaSolverSampler::SaSolverSampler(const SaSolverOptions& options) : options_(options) {
  const bool orders = 1 <= options.predictor && options.predictor <= 4 && 0 <= options.corrector &&
                      options.corrector <= 4;
  if (!(options.tau >= 0) || !std::isfinite(options.tau) || !orders) {
    throw ConfigError(
        fmt::format("sampler.sa: want tau >= 0, predictor in 1 .. 4 and corrector in 0 .. 4, got "
                    "{}, {} and {}",
                    options.tau, options.predictor, options.corrector));
  }
}

torch::Tensor SaSolverSampler::run(Denoiser& denoiser, torch::Tensor x,
                                   const std::vector<double>& sigmas, NoiseSource& noise) const {
  const auto predictor = static_cast<size_t>(options_.predictor);
  const auto corrector = static_cast<size_t>(options_.corrector);
  const double tau2 = options_.tau * options_.tau;
  const double a = 1 + tau2;
  std::deque<Known> known = {{-std::log(sigmas[0]), denoise_at(denoiser, x, sigmas[0])}};
  for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const double u = sigmas[i + 1];
    if (u == 0) return known[0].denoised;
    const double lambda = -std::log(sigmas[i]);
    const double h = std::log(sigmas[i] / u);
    const double spread = u * std::sqrt(-std::expm1(-2 * tau2 * h));
    auto moved = std::exp(-a * h) * x;
    if (spread > 0) moved = moved + spread * noise.normal_between(x, sigmas[i], u);

    const size_t past = known.size();
    x = moved + integral(known, std::min(predictor, past), lambda, h, a);
    known.push_front({lambda + h, denoise_at(denoiser, x, u)});
    if (corrector > 0) {
      x = moved + integral(known, std::min(corrector, past) + 1, lambda, h, a);
    }
    if (known.size() > std::max(predictor, corrector)) known.pop_back();
  }
  return x;
}

}  // namespace halcyon
