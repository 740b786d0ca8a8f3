#pragma once

#include <torch/types.h>

#include <vector>

#include "checkpoint/checkpoint.h"
#include "cli/evaluation_data.h"
#include "cli/likelihood_report.h"
#include "core/gaussian_mixture.h"

namespace halcyon {

/// The Gaussian that stands for the data where the model is not asked.
struct LikelihoodReference {
  GaussianMixture gaussian;
  std::string name;
};

/// Of the images' covariance if they have one, and else of their pixels' variances.
/// @throws DataError as variance_gaussian() does.
LikelihoodReference likelihood_reference(const ImageSet& set);

struct LikelihoodSettings {
  int64_t batch = 64;  ///< images evaluated at once
  uint64_t seed = 0;   ///< chooses noise and probes
};

// All of these are over the images x0 [N, C, H, W] in model units and from report.sigma_min to
// report.sigma_max, show a live line and throw Interrupted.

InformationNll information_nll(Denoiser& denoiser, const GaussianMixture& gaussian,
                               const torch::Tensor& x0, const LikelihoodReport& report,
                               const InformationOptions& options,
                               const LikelihoodSettings& settings);

/// `prior`: the law at sigma_max.
OdeNll ode_nll(Denoiser& denoiser, const LikelihoodReference& prior, const torch::Tensor& x0,
               const LikelihoodReport& report, const OdeOptions& options,
               const LikelihoodSettings& settings);

/// What the classes of the images tell, from `levels` noise levels, and how many classes the model
/// has; nothing without labels or for a model that is not class-conditional.
/// @throws DataError for labels that the model does not have.
void add_class_information(LikelihoodReport& report, const Model& model,
                           const MeasuredImages& images, const std::vector<double>& levels,
                           const LikelihoodSettings& settings);

/// What the report's numbers would be for a perfect model of toy `report.data`.
void add_exact(LikelihoodReport& report, const torch::Tensor& x0);

}  // namespace halcyon
