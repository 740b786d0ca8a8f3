#include "metrics/frechet.h"

#include <cmath>

#include "core/torch.h"

namespace halcyon {
namespace {

torch::Tensor square_root(const torch::Tensor& symmetric) {
  const auto [values, vectors] = torch::linalg_eigh(symmetric);
  return (vectors * values.clamp_min(0).sqrt()).mm(vectors.t());
}

/// Count, sum and sum of outer products of rows about a fixed origin: they add and subtract.
struct MomentSums {
  double count;
  torch::Tensor sum;    // [F]
  torch::Tensor outer;  // [F, F]

  static MomentSums of(const torch::Tensor& centred) {
    return {static_cast<double>(centred.size(0)), centred.sum(0), centred.t().mm(centred)};
  }

  GaussianStatistics without(const MomentSums& part, const torch::Tensor& origin) const {
    const double n = count - part.count;
    const auto mean = (sum - part.sum) / n;
    const auto covariance = ((outer - part.outer) - n * mean.outer(mean)) / (n - 1);
    return {origin + mean, covariance, static_cast<int64_t>(n)};
  }
};

/// The squared jackknife error of the distance of `other` to the set of the features.
double jackknife_variance(const torch::Tensor& features, const FrechetReference& other,
                          int64_t groups, at::Generator& rng) {
  const auto x = features.to(torch::kFloat64);
  const auto origin = x.mean(0);
  const auto whole = MomentSums::of(x - origin);
  std::vector<double> without;
  for (const auto& group : random_parts(x.size(0), groups, rng)) {
    const auto part = MomentSums::of(x.index_select(0, group.to(x.device())) - origin);
    without.push_back(other.distance(whole.without(part, origin)));
  }
  return std::pow(jackknife_error(without), 2);
}

}  // namespace

GaussianStatistics gaussian_statistics(const torch::Tensor& features) {
  TORCH_CHECK(features.dim() == 2 && features.size(0) >= 2,
              "gaussian_statistics: ", features.sizes());
  const auto x = features.to(torch::kFloat64);
  const auto mean = x.mean(0);
  const auto centred = x - mean;
  return {mean, centred.t().mm(centred) / static_cast<double>(x.size(0) - 1), x.size(0)};
}

FrechetReference::FrechetReference(GaussianStatistics statistics)
    : statistics_(std::move(statistics)), root_(square_root(statistics_.covariance)) {}

double FrechetReference::distance(const GaussianStatistics& other) const {
  const auto product = root_.mm(other.covariance).mm(root_);
  const auto cross =
      torch::linalg_eigvalsh(0.5 * (product + product.t())).clamp_min(0).sqrt().sum();
  const auto squared = (statistics_.mean - other.mean).square().sum() +
                       statistics_.covariance.trace() + other.covariance.trace() - 2 * cross;
  return squared.item<double>();
}

double frechet_distance(const GaussianStatistics& a, const GaussianStatistics& b) {
  return FrechetReference(a).distance(b);
}

FrechetSet frechet_set(const torch::Tensor& features) {
  return {gaussian_statistics(features), features};
}

MetricEstimate frechet_estimate(const torch::Tensor& features, const FrechetSet& reference,
                                int64_t groups, at::Generator rng) {
  const FrechetReference fixed(reference.statistics);
  const auto statistics = gaussian_statistics(features);
  double variance = jackknife_variance(features, fixed, groups, rng);
  if (reference.features) {
    variance += jackknife_variance(*reference.features, FrechetReference(statistics), groups, rng);
  }
  return {fixed.distance(statistics), std::sqrt(variance)};
}

MetricEstimate frechet_infinity(const torch::Tensor& features, const FrechetSet& reference,
                                double finite_error, at::Generator rng) {
  const FrechetReference fixed(reference.statistics);
  const double parts = kFrechetParts;
  const double centre = (parts + 1) / 2;
  const double scatter = parts * (parts * parts - 1) / 12;  // sum (m - centre)^2
  std::vector<double> distances;                            // at n = N / m
  double mean = 0, slope = 0;
  for (int64_t m = 1; m <= kFrechetParts; ++m) {
    double sum = 0;
    for (const auto& part : random_parts(features.size(0), m, rng)) {
      const auto rows = features.index_select(0, part.to(features.device()));
      sum += fixed.distance(gaussian_statistics(rows));
    }
    distances.push_back(sum / static_cast<double>(m));
    mean += distances.back() / parts;
    slope += (static_cast<double>(m) - centre) * distances.back() / scatter;
  }
  double residuals = 0;
  for (int64_t m = 1; m <= kFrechetParts; ++m) {
    const double line = mean + slope * (static_cast<double>(m) - centre);
    residuals += std::pow(distances[m - 1] - line, 2);
  }
  const double of_fit = residuals / (parts - 2) * (1 / parts + centre * centre / scatter);
  return {mean - slope * centre, std::sqrt(finite_error * finite_error + of_fit)};
}

}  // namespace halcyon
