#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include "checkpoint/curvature_file.h"
#include "cli/estimate_text.h"
#include "cli/fisher_network.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "core/torch.h"
#include "curvature/curvature_fit.h"
#include "curvature/parameter_jacobian.h"
#include "io/table.h"

namespace halcyon {
namespace {

using SeeFit = std::function<void(const Curvature&)>;

/// Fits of `draws` draws a band each, which they do not share, one after the other.
void fit_parts(const FisherJob& job, const FisherNetwork& network, const char* label, int64_t parts,
               int64_t draws, const SeeFit& see) {
  const auto& options = job.options.parameters;
  const auto bands = network.bands().count();
  const bool twice =
      options.curvature == CurvatureKind::ekfac || options.curvature == CurvatureKind::exact;
  Progress progress(label, "batches", (twice ? 2 : 1) * parts * draws * bands);
  int64_t done = 0;
  for (int64_t part = 0; part < parts; ++part) {
    const auto batch = [&](int64_t i) {
      stop_if_interrupted();
      progress.update(done++);
      return network.batch("curvature", i % bands, part * draws + i / bands, options.batch);
    };
    auto rng = network.generator(label, part);
    see(fit_curvature(network.denoiser(), network.space(),
                      {.kind = options.curvature, .sharing = options.sharing}, batch, bands * draws,
                      rng));
  }
}

/// u^T F u along a direction u of norm 1, two ways.
struct Audit {
  std::string name;
  torch::Tensor u;
  Estimate blocks = {};  ///< by the approximation
  Estimate exact = {};   ///< by products with the Jacobian, over images of every band
};

Estimate exact_form(const FisherJob& job, const FisherNetwork& network, const torch::Tensor& u) {
  SampleMoments squares(1);
  for (int64_t k = 0; k < network.bands().count(); ++k) {
    const auto batch = network.batch("audit", k, 0, job.options.parameters.images);
    const auto along = ParameterJacobian(network.denoiser(), network.space(), batch).jvp(u);
    squares.add(along.flatten(1).square().sum(1, /*keepdim=*/true));
    stop_if_interrupted();
  }
  return squares.mean(0);
}

/// The error of the approximation is that of fits of a quarter of the draws, or of one draw each.
std::vector<Audit> audit(const FisherJob& job, const FisherNetwork& network,
                         const Curvature& curvature) {
  auto rng = network.generator("curvature", 1);
  const auto random =
      torch::randn({network.space().dim()}, rng, network.space().parameters().front().options());
  std::vector<Audit> found = {{"leading", curvature.leading_direction()},
                              {"random", random / random.norm()}};
  const int64_t all = job.options.parameters.draws;
  const int64_t parts = std::min<int64_t>(4, all), draws = all / parts;
  std::vector<SampleMoments> forms(found.size(), SampleMoments(1));
  fit_parts(job, network, "curvature parts", parts, draws, [&](const Curvature& part) {
    for (size_t i = 0; i < found.size(); ++i) {
      forms[i].add(torch::full({1, 1}, part.quadratic(found[i].u), torch::kFloat64));
    }
  });
  const double share = static_cast<double>(parts * draws) / static_cast<double>(all);
  for (size_t i = 0; i < found.size(); ++i) {
    const auto spread = forms[i].mean(0);
    found[i].blocks = {curvature.quadratic(found[i].u), spread.standard_error * std::sqrt(share),
                       spread.count};
    found[i].exact = exact_form(job, network, found[i].u);
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
  std::optional<Curvature> whole;
  fit_parts(job, network, "curvature", /*parts=*/1, options.draws,
            [&](const Curvature& fit) { whole = fit; });
  const auto& curvature = *whole;
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
  for (const auto& [direction, u, blocks, exact] : audit(job, network, curvature)) {
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
