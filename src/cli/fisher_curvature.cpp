#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>

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

/// Fits of draws that they do not share: `parts` of all draws, or fewer of a single draw each.
std::vector<Curvature> fitted(const FisherJob& job, const FisherNetwork& network, int64_t parts) {
  const auto& options = job.options.parameters;
  const auto bands = network.bands().count();
  parts = std::min(parts, options.draws);
  const int64_t draws = options.draws / parts;
  const bool twice =
      options.curvature == CurvatureKind::ekfac || options.curvature == CurvatureKind::exact;
  Progress progress(parts == 1 ? "curvature" : "its error", "batches",
                    (twice ? 2 : 1) * parts * draws * bands);
  int64_t done = 0;
  std::vector<Curvature> fits;
  for (int64_t part = 0; part < parts; ++part) {
    const auto batch = [&](int64_t i) {
      stop_if_interrupted();
      progress.update(done++);
      return network.batch("curvature", i % bands, part * draws + i / bands, options.batch);
    };
    auto rng = network.generator(parts == 1 ? "curvature" : "curvature parts", part);
    fits.push_back(fit_curvature(network.denoiser(), network.space(),
                                 {.kind = options.curvature, .sharing = options.sharing}, batch,
                                 bands * draws, rng));
  }
  return fits;
}

/// u^T F u, two ways.
struct Audit {
  std::string direction;
  Estimate blocks;  ///< by the approximation, over fits of parts of its draws
  Estimate exact;   ///< by products with the Jacobian, over images
};

/// Of images of every band, along directions u of norm 1.
std::vector<Audit> audit(const FisherJob& job, const FisherNetwork& network,
                         const Curvature& curvature) {
  constexpr int64_t kParts = 4;
  const auto& bands = network.bands();
  const auto parts = fitted(job, network, kParts);
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
    SampleMoments of_parts(1);
    for (const auto& part : parts) {
      of_parts.add(torch::full({1, 1}, part.quadratic(u), torch::kFloat64));
    }
    auto blocks = of_parts.mean(0);
    blocks.value = curvature.quadratic(u);
    found.push_back({name, blocks, squares.mean(0)});
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
  const auto curvature = fitted(job, network, /*parts=*/1).front();
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
    const double ratio = blocks.value / exact.value;
    const double error = ratio * std::hypot(exact.standard_error / exact.value,
                                            blocks.standard_error / blocks.value);
    const Estimate ratio_estimate = {ratio, error, exact.count};
    table.rows.push_back(
        {direction, with_error(exact), with_error(blocks), with_error(ratio_estimate)});
    job.summary["curvature"][direction] = to_json(ratio_estimate);
  }
  fmt::print("{}", to_text(table));
}

}  // namespace halcyon
