#include "samplers/sa_solver.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <cmath>
#include <deque>

#include "core/error.h"

namespace halcyon {
namespace {

struct Known {
  double lambda;
  torch::Tensor denoised;
};

/// The integral over the step from `lambda` of the polynomial through the first `count` of `known`.
torch::Tensor integral(const std::deque<Known>& known, size_t count, double lambda, double h,
                       double a) {
  std::vector<double> nodes;
  for (size_t j = 0; j < count; ++j) nodes.push_back(known[j].lambda - lambda);
  const auto weights = exponential_weights(nodes, h, a);
  auto sum = weights[0] * known[0].denoised;
  for (size_t j = 1; j < count; ++j) sum = sum + weights[j] * known[j].denoised;
  return sum;
}

/// int_0^h a exp(-a (h - v)) v^k dv = a k! h^(k + 1) sum over m of (-a h)^m / (k + m + 1)!, or,
/// where that sum would cancel, by parts: I_k = h^k - k / a I_(k-1).
double exponential_moment(size_t k, double h, double a) {
  const auto n = static_cast<double>(k);
  if (a * h > 1) {
    return k == 0 ? -std::expm1(-a * h) : std::pow(h, n) - n / a * exponential_moment(k - 1, h, a);
  }
  double term = a * std::pow(h, n + 1) / (n + 1);
  double sum = term;
  for (double m = n + 2; std::abs(term) > 1e-18 * std::abs(sum); ++m) {
    term *= -a * h / m;
    sum += term;
  }
  return sum;
}

}  // namespace

std::vector<double> exponential_weights(const std::vector<double>& nodes, double h, double a) {
  std::vector<double> moments;
  for (size_t k = 0; k < nodes.size(); ++k) moments.push_back(exponential_moment(k, h, a));
  std::vector<double> weights;
  for (size_t j = 0; j < nodes.size(); ++j) {
    std::vector<double> polynomial = {1};  // coefficients of l_j, lowest first
    for (size_t m = 0; m < nodes.size(); ++m) {
      if (m == j) continue;
      const double scale = 1 / (nodes[j] - nodes[m]);
      polynomial.push_back(0);
      for (size_t k = polynomial.size(); k-- > 0;) {
        polynomial[k] = scale * ((k > 0 ? polynomial[k - 1] : 0) - nodes[m] * polynomial[k]);
      }
    }
    double weight = 0;
    for (size_t k = 0; k < polynomial.size(); ++k) weight += polynomial[k] * moments[k];
    weights.push_back(weight);
  }
  return weights;
}

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
