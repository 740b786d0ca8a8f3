#include "cli/fisher_network.h"

#include <torch/torch.h>

#include "core/error.h"
#include "core/random.h"

namespace halcyon {
namespace {

const ScoreNetwork& network_of(const FisherJob& job) {
  if (!job.model.network || job.uncalibrated) {
    throw ConfigError(
        "--space: 'parameters' wants a checkpoint with a network and no --calibration, got " +
        job.model.source + " (" + job.model.weights + ")");
  }
  return *job.model.network;
}

}  // namespace

FisherNetwork::FisherNetwork(const FisherJob& job)
    : job_(job),
      space_(network_of(job)),
      objective_(job.model.recipe.loss, job.model.recipe.preconditioning),
      bands_(objective_, job.options.parameters.weighting, job.study.sigmas().front(),
             job.study.sigmas().back(), job.options.parameters.bands) {}

RegressionBatch FisherNetwork::batch(const std::string& name, int64_t k, int64_t index,
                                     int64_t count) const {
  const auto stream = index * bands_.count() + k;
  const auto seed = job_.options.use.seed;
  auto image_rng = make_generator(seed, "parameters " + name + " images", stream);
  auto noise_rng = make_generator(seed, "parameters " + name + " noise", stream, job_.device);
  return bands_.draw(k, job_.study.random_images(count, image_rng), noise_rng);
}

at::Generator FisherNetwork::generator(const std::string& name, int64_t k) const {
  return make_generator(job_.options.use.seed, "parameters " + name + " probes", k, job_.device);
}

}  // namespace halcyon
