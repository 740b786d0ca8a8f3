#include "cli/acting_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "checkpoint/curvature_file.h"
#include "cli/data_loading.h"
#include "config/text_value.h"
#include "core/error.h"
#include "core/require.h"
#include "core/torch.h"
#include "io/safetensors.h"

namespace halcyon {
namespace {

/// A row a sample: divergence, eps_mse before, after.
torch::Tensor costs(const FisherNetwork& network, const torch::Tensor& step,
                    const RegressionBatch& batch) {
  const auto before = whitened(network.denoiser(), batch);
  const ScopedStep changed(network.space(), step);
  const auto after = whitened(network.denoiser(), batch);
  const auto squares = [](const torch::Tensor& rows) {
    return rows.flatten(1).to(torch::kFloat64).square().sum(1);
  };
  const auto target = whitened_target(batch);
  const auto to_eps = (batch.tau / batch.sigma).to(torch::kFloat64).square() /
                      static_cast<double>(batch.x[0].numel());
  return torch::stack({0.5 * squares(after - before), to_eps * squares(before - target),
                       to_eps * squares(after - target)},
                      1);
}

}  // namespace

Model load_trained(const std::string& checkpoint, const std::string& weights,
                   torch::Device device) {
  auto model = load_with_warnings(checkpoint, weights, /*label=*/-1, device);
  if (!model.network) {
    throw ConfigError("--checkpoint: want a trained network, got " + model.source);
  }
  return model;
}

KeptCurvature load_curvature(const std::string& path, const ScoreNetwork& network) {
  if (path.empty()) throw ConfigError(std::string("--curvature: want a ") + kCurvatureHelp);
  const auto about = read_safetensors_header(path).metadata;
  auto blocks = read_curvature(path, ParameterSpace(network));
  require_fitted_to(path, about, network_fingerprint(network));
  return {std::move(blocks), weighting_of(path, about)};
}

ParameterWeighting weighting_of(const std::string& path, const Metadata& about) {
  const auto found = about.find("weighting");
  if (found == about.end()) return ParameterWeighting::train;
  try {
    return from_text<ParameterWeighting>(found->second);
  } catch (const ConfigError& error) {
    throw CheckpointError(fmt::format("'{}': weighting: {}", path, error.what()));
  }
}

FisherNetwork regression_on(const Model& model, const ImageSet& set, ParameterWeighting weighting,
                            int64_t bands, uint64_t seed, torch::Device device) {
  const FisherOptions defaults;
  const auto images = [pixels = set.images, device](int64_t count, at::Generator& rng) {
    const auto index = torch::randint(pixels.size(0), {count}, rng, torch::kInt64);
    return to_model_units(pixels.index_select(0, index)).to(device);
  };
  return FisherNetwork(RegressionSource{
      model, images, weighting, std::max(defaults.sigma_min, model.range.sigma_min),
      std::min(defaults.sigma_max, model.range.sigma_max), bands, seed, device});
}

void require_measurable(const char* option, int64_t images, int64_t bands) {
  require_option(images == 0 || images / 2 >= bands, option,
                 fmt::format("0, or at least 2 for each of {} bands", bands).c_str(), images);
}

StepCost step_cost(const FisherNetwork& network, const torch::Tensor& step, int64_t images) {
  const torch::NoGradGuard no_grad;
  constexpr int64_t kBatch = 64;
  const auto bands = network.bands().count();
  const int64_t each = images / bands;
  SampleMoments moments(3);
  for (int64_t k = 0; k < bands; ++k) {
    for (int64_t first = 0; first < each; first += kBatch) {
      const auto size = std::min(kBatch, each - first);
      moments.add(costs(network, step, network.batch("cost", k, first / kBatch, size)));
    }
  }
  return {moments.mean(0), moments.mean(1), moments.mean(2), moments.combination({0, -1, 1})};
}

void write_changed_model(const Model& model, const std::string& out, const std::string& origin) {
  auto about = read_safetensors_header(model.source).metadata;
  about["halcyon.origin"] = origin;
  write_safetensors(out, network_tensors(*model.network), about);
}

}  // namespace halcyon
