#include "core/adaptive_noise.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/require.h"
#include "core/torch.h"

namespace halcyon {
namespace {

constexpr double kSlowShare = 0.5;  // of the images seen, that a mean remembers
constexpr double kFastShare = 0.125;
constexpr int64_t kWarmUpImages = 64;  // a bin

torch::Tensor on_cpu(const torch::Tensor& t) {
  return t.detach().to(torch::kCPU, torch::kFloat64).contiguous();
}

/// The mean of each bin; that of all samples where there is none.
torch::Tensor means(const torch::Tensor& sums) {
  const auto seen = sums[1] > 0;
  return torch::where(seen, sums[0] / sums[1].clamp_min(1e-300), sums[0].sum() / sums[1].sum());
}

}  // namespace

AdaptiveNoise::AdaptiveNoise(const AdaptiveNoiseOptions& options) : options_(options) {
  require_option(options.adaptive_bins >= 2 && options.adaptive_bins <= 10000, "loss.adaptive_bins",
                 "a whole number in 2 .. 10000", options.adaptive_bins);
  require_option(options.adaptive_floor > 0 && options.adaptive_floor <= 1, "loss.adaptive_floor",
                 "a number in (0, 1]", options.adaptive_floor);
  slow_ = torch::zeros({2, options.adaptive_bins}, torch::kFloat64);
  fast_ = torch::zeros({2, options.adaptive_bins}, torch::kFloat64);
}

std::vector<double> AdaptiveNoise::density() const {
  const auto bins = options_.adaptive_bins;
  std::vector<double> rho(static_cast<size_t>(bins), 1.0);
  if (!enabled() || images_ < kWarmUpImages * bins) return rho;
  auto g = means(fast_);
  if (options_.adaptive == NoiseAdaptation::divergence) g = (means(slow_) - g).clamp_min(0);
  const double mean = g.mean().item<double>();
  if (!(mean > 0)) return rho;
  for (int64_t k = 0; k < bins; ++k) {
    rho[static_cast<size_t>(k)] =
        options_.adaptive_floor + (1 - options_.adaptive_floor) * g[k].item<double>() / mean;
  }
  return rho;
}

NoiseQuantiles AdaptiveNoise::draw(const torch::Tensor& u) const {
  if (!enabled()) return {u, torch::ones_like(u)};
  const auto rho = density();
  const auto bins = static_cast<double>(rho.size());
  const double total = std::accumulate(rho.begin(), rho.end(), 0.0);
  std::vector<double> edges = {0};  // of the bins, in u
  for (const double height : rho) edges.push_back(edges.back() + height / total);
  const auto uniform = on_cpu(u);
  const auto quantile = torch::empty_like(uniform);
  const auto weight = torch::ones_like(uniform);
  for (int64_t i = 0; i < uniform.numel(); ++i) {
    const double value = uniform.data_ptr<double>()[i];
    const auto above = std::upper_bound(edges.begin() + 1, edges.end() - 1, value);
    const auto k = static_cast<size_t>(above - edges.begin()) - 1;
    const double within = (value - edges[k]) / (edges[k + 1] - edges[k]);
    const double q = (static_cast<double>(k) + std::clamp(within, 0.0, 1.0)) / bins;
    quantile.data_ptr<double>()[i] = std::min(q, std::nextafter(1.0, 0.0));
    if (options_.keep_objective) weight.data_ptr<double>()[i] = 1 / rho[k];
  }
  return {quantile.to(u.device()), weight.to(u.device())};
}

void AdaptiveNoise::add(const torch::Tensor& quantile, const torch::Tensor& eps_error) {
  if (!enabled()) return;
  const auto u = on_cpu(quantile);
  const auto error = on_cpu(eps_error);
  images_ += u.numel();
  const auto batch = static_cast<double>(u.numel());
  slow_ *= std::exp(-batch / (kSlowShare * static_cast<double>(images_)));
  fast_ *= std::exp(-batch / (kFastShare * static_cast<double>(images_)));
  for (int64_t i = 0; i < u.numel(); ++i) {
    const auto bins = options_.adaptive_bins;
    const auto k = std::min(
        static_cast<int64_t>(u.data_ptr<double>()[i] * static_cast<double>(bins)), bins - 1);
    for (const auto& sums : {slow_, fast_}) {
      sums.data_ptr<double>()[k] += error.data_ptr<double>()[i];
      sums.data_ptr<double>()[bins + k] += 1;
    }
  }
}

TensorMap AdaptiveNoise::state() const {
  if (!enabled()) return {};
  return {{"noise.slow", slow_}, {"noise.fast", fast_}, {"noise.images", torch::tensor(images_)}};
}

void AdaptiveNoise::load(const TensorMap& state) {
  if (!enabled()) return;
  slow_ = state.at("noise.slow").clone();
  fast_ = state.at("noise.fast").clone();
  images_ = state.at("noise.images").item<int64_t>();
}

}  // namespace halcyon
