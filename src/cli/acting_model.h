#pragma once

#include <string>

#include "checkpoint/checkpoint.h"
#include "cli/fisher_network.h"
#include "curvature/curvature.h"
#include "fisher/sample_moments.h"

namespace halcyon {

constexpr const char* kCurvatureHelp =
    "file of `halcyon fisher --space parameters --only curvature`";

/// load_with_warnings() of a checkpoint that has a network.
/// @throws ConfigError for an exact denoiser
Model load_trained(const std::string& checkpoint, const std::string& weights, torch::Device device);

/// The Fisher matrix of a network's parameters, and which likelihood it belongs to.
struct KeptCurvature {
  Curvature blocks;
  ParameterWeighting weighting;
};

/// Of the file that --curvature names.  @throws ConfigError if it names none; CheckpointError as
/// read_curvature()
KeptCurvature load_curvature(const std::string& path, const ScoreNetwork& network);

/// As the metadata of such a file say.  @throws CheckpointError naming the file
ParameterWeighting weighting_of(const std::string& path, const Metadata& about);

/// Images of a set that is kept elsewhere, with noise as in training or in the likelihood.
FisherNetwork regression_on(const Model& model, const ImageSet& set, ParameterWeighting weighting,
                            int64_t bands, uint64_t seed, torch::Device device);

/// What a step of its parameters does to a network, over the same images and noise.
struct StepCost {
  Estimate divergence;           ///< from the network as it was, nats an image
  Estimate before, after, rise;  ///< E |n - eps_hat|^2 / d, and after - before
};

/// @throws ConfigError naming the option unless it says 0 images, or at least 2 a band
void require_measurable(const char* option, int64_t images, int64_t bands);

/// Over `images` images, at least 2 a band, spread evenly over the bands.
StepCost step_cost(const FisherNetwork& network, const torch::Tensor& step, int64_t images);

/// Writes the model, whose network has other weights than its file by now, as a checkpoint like
/// that file.  `origin` says how it was made.
void write_changed_model(const Model& model, const std::string& out, const std::string& origin);

}  // namespace halcyon
