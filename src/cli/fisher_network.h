#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/fisher_job.h"
#include "core/denoising_loss.h"
#include "curvature/parameter_space.h"
#include "fisher/regression_bands.h"

namespace halcyon {

/// A network, and the images and noise levels that make it a regression.
struct RegressionSource {
  const Model& model;
  std::function<torch::Tensor(int64_t count, at::Generator& rng)> images;  ///< each any of a set
  ParameterWeighting weighting;
  double sigma_min, sigma_max;  ///< of the likelihood
  int64_t bands;
  uint64_t seed;
  torch::Device device;
};

/// The network of a job as a regression: its parameters, and batches in bands of noise levels.
class FisherNetwork {
 public:
  /// source.model has a network.
  explicit FisherNetwork(RegressionSource source);
  /// @throws ConfigError if the model has no network, or is calibrated.
  explicit FisherNetwork(const FisherJob& job) : FisherNetwork(job, job.options.parameters.bands) {}
  /// The same with so many bands.
  FisherNetwork(const FisherJob& job, int64_t bands);
  FisherNetwork(const FisherNetwork&) = delete;  // the bands look at the objective
  FisherNetwork& operator=(const FisherNetwork&) = delete;

  Denoiser& denoiser() const { return *source_.model.denoiser; }
  const ParameterSpace& space() const { return space_; }
  const RegressionBands& bands() const { return bands_; }

  /// Batch `index` of the purpose `name` in band k.
  RegressionBatch batch(const std::string& name, int64_t k, int64_t index, int64_t count) const;
  at::Generator generator(const std::string& name, int64_t k) const;

 private:
  RegressionSource source_;
  ParameterSpace space_;
  DenoisingScoreMatching objective_;
  RegressionBands bands_;
};

}  // namespace halcyon
