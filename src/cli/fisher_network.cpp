#include "cli/fisher_network.h"

#include "core/error.h"
#include "core/random.h"
#include "core/torch.h"

namespace halcyon {
namespace {

RegressionSource source_of(const FisherJob& job, int64_t bands) {
  if (!job.model.network || job.uncalibrated) {
    throw ConfigError(
        "--space: 'parameters' wants a checkpoint with a network and no --calibration, got " +
        job.model.source + " (" + job.model.weights + ")");
  }
  const auto& options = job.options.parameters;
  return {job.model,
          [&](int64_t count, at::Generator& rng) { return job.study.random_images(count, rng); },
          options.weighting,
          job.study.sigmas().front(),
          job.study.sigmas().back(),
          bands,
          job.options.use.seed,
          job.device};
}

}  // namespace

FisherNetwork::FisherNetwork(RegressionSource source)
    : source_(std::move(source)),
      space_(*source_.model.network),
      objective_(source_.model.recipe.loss, source_.model.recipe.preconditioning),
      bands_(objective_, source_.weighting, source_.sigma_min, source_.sigma_max, source_.bands) {}

FisherNetwork::FisherNetwork(const FisherJob& job, int64_t bands)
    : FisherNetwork(source_of(job, bands)) {}

RegressionBatch FisherNetwork::batch(const std::string& name, int64_t k, int64_t index,
                                     int64_t count) const {
  const auto stream = index * bands_.count() + k;
  auto image_rng = make_generator(source_.seed, "parameters " + name + " images", stream);
  auto noise_rng =
      make_generator(source_.seed, "parameters " + name + " noise", stream, source_.device);
  return bands_.draw(k, source_.images(count, image_rng), noise_rng);
}

at::Generator FisherNetwork::generator(const std::string& name, int64_t k) const {
  return make_generator(source_.seed, "parameters " + name + " probes", k, source_.device);
}

}  // namespace halcyon
