#include <fmt/format.h>
#include <torch/torch.h>

#include "checkpoint/curvature_file.h"
#include "cli/estimate_text.h"
#include "cli/fisher_network.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "curvature/curvature_fit.h"
#include "curvature/parameter_jacobian.h"
#include "io/table.h"

namespace halcyon {
namespace {

Curvature fitted(const FisherJob& job, const FisherNetwork& network) {
  const auto& options = job.options.parameters;
  const auto& bands = network.bands();
  const int64_t batches = bands.count() * options.draws;
  const int64_t passes =
      options.curvature == CurvatureKind::ekfac || options.curvature == CurvatureKind::exact ? 2
                                                                                             : 1;
  Progress progress("curvature", "batches", passes * batches);
  int64_t done = 0;
  const auto batch = [&](int64_t i) {
    stop_if_interrupted();
    progress.update(done++);
    return network.batch("curvature", i % bands.count(), i / bands.count(), options.batch);
  };
  auto rng = network.generator("curvature", 0);
  return fit_curvature(network.denoiser(), network.space(),
                       {.kind = options.curvature, .sharing = options.sharing}, batch, batches,
                       rng);
}

struct Audit {
  std::string direction;
  double curvature;  ///< u^T F u by the approximation
  Estimate exact;    ///< by products with the Jacobian, over images
};

/// u^T F u of images of every band, of directions u of norm 1.
std::vector<Audit> audit(const FisherJob& job, const FisherNetwork& network,
                         const Curvature& curvature) {
  const auto& bands = network.bands();
  auto rng = network.generator("curvature", 1);
  const auto random =
      torch::randn({network.space().dim()}, rng, network.space().parameters().front().options());
  std::vector<Audit> found;
  for (const auto& [name, u] :
       {std::pair<std::string, torch::Tensor>{"leading", curvature.leading_direction()},
        {"random", random / random.norm()}}) {
    SampleMoments squares(1);
    for (int64_t k = 0; k < bands.count(); ++k) {
      const auto batch = network.batch("audit", k, 0, job.options.parameters.images);
      const auto along = ParameterJacobian(network.denoiser(), network.space(), batch).jvp(u);
      squares.add(along.flatten(1).square().sum(1, /*keepdim=*/true));
      stop_if_interrupted();
    }
    found.push_back({name, curvature.quadratic(u), squares.mean(0)});
  }
  return found;
}

/// How many parameters are those of affine layers.
int64_t in_layers(const Curvature& curvature) {
  int64_t count = 0;
  for (const auto& block : curvature.blocks()) {
    if (curvature.is_layer(block)) count += block.eigenvalues.numel();
  }
  return count;
}

}  // namespace

void measure_parameter_curvature(FisherJob& job) {
  const FisherNetwork network(job);
  const auto& options = job.options.parameters;
  const auto curvature = fitted(job, network);
  const auto path = job.path("curvature.safetensors");
  write_curvature(path, curvature,
                  {{"content", "curvature: the Fisher information of the parameters, by blocks"},
                   {"kind", to_text(options.curvature)},
                   {"sharing", to_text(options.sharing)},
                   {"weighting", to_text(options.weighting)},
                   {"images", std::to_string(options.bands * options.draws * options.batch)},
                   {kFittedTo, network_fingerprint(*job.model.network)},
                   {"source", job.model.source},
                   {"weights", job.model.weights},
                   {"step", std::to_string(job.model.step)}});
  const auto share =
      static_cast<double>(in_layers(curvature)) / static_cast<double>(network.space().dim());
  fmt::print("curvature ({}): {}; {} blocks, {:.2f} % of the parameters in layers\n",
             to_text(options.curvature), path, curvature.blocks().size(), 100 * share);
  Table table{.columns = {"direction", "u' F u", "by the blocks", "blocks / F"}};
  for (const auto& [direction, blocks, exact] : audit(job, network, curvature)) {
    const double ratio = blocks / exact.value;
    const Estimate ratio_estimate = {ratio, ratio * exact.standard_error / exact.value,
                                     exact.count};
    table.rows.push_back(
        {direction, with_error(exact), fmt::format("{:.4g}", blocks), with_error(ratio_estimate)});
    job.summary["curvature"][direction] = to_json(ratio_estimate);
  }
  fmt::print("{}", to_text(table));
}

}  // namespace halcyon
