#include "cli/likelihood.h"

#include <algorithm>
#include <functional>

#include "cli/data_gaussian.h"
#include "cli/fisher_maps.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "core/random.h"
#include "core/torch.h"
#include "data/toy_distribution.h"
#include "fisher/class_information.h"
#include "fisher/ode_likelihood.h"
#include "fisher/sample_moments.h"

namespace halcyon {
namespace {

constexpr int64_t kExactDraws = 100000;  // of a toy, for its entropy

/// Calls `work` with the first image and the size of each batch.
void for_batches(const char* label, int64_t images, int64_t batch,
                 const std::function<void(int64_t, int64_t)>& work) {
  Progress progress(label, "images", images);
  for (int64_t first = 0; first < images; first += batch) {
    const int64_t size = std::min(batch, images - first);
    work(first, size);
    progress.update(first + size);
    stop_if_interrupted();
  }
}

Estimate mean_nll(const GaussianMixture& law, const torch::Tensor& x, double sigma) {
  SampleMoments moments(1);
  for (const auto& part : x.split(10000)) {
    const auto level = torch::full({part.size(0)}, sigma, torch::kFloat64);
    moments.add(-law.log_density(part, level).unsqueeze(1));
  }
  return moments.mean(0);
}

}  // namespace

LikelihoodReference likelihood_reference(const ImageSet& set) {
  if (auto gaussian = covariance_gaussian(set)) {
    return {*gaussian, "Gaussian of the images' covariance"};
  }
  return {variance_gaussian(set), "Gaussian of the pixels' variances"};
}

InformationNll information_nll(Denoiser& denoiser, const GaussianMixture& gaussian,
                               const torch::Tensor& x0, const LikelihoodReport& report,
                               const InformationOptions& options,
                               const LikelihoodSettings& settings) {
  InformationLikelihood likelihood(gaussian, report.sigma_min, report.sigma_max, options);
  auto rng = make_generator(settings.seed, "information likelihood", 0, x0.device());
  for_batches("likelihood", x0.size(0), settings.batch, [&](int64_t first, int64_t size) {
    likelihood.add(denoiser, x0.narrow(0, first, size), rng);
  });
  return likelihood.estimates();
}

OdeNll ode_nll(Denoiser& denoiser, const LikelihoodReference& prior, const torch::Tensor& x0,
               const LikelihoodReport& report, const OdeOptions& options,
               const LikelihoodSettings& settings) {
  SampleMoments nll(1);
  int64_t evaluations = 0;
  auto rng = make_generator(settings.seed, "likelihood probes", 0, x0.device());
  for_batches("likelihood", x0.size(0), settings.batch, [&](int64_t first, int64_t size) {
    const auto result = ode_likelihood(denoiser, x0.narrow(0, first, size), prior.gaussian,
                                       report.sigma_min, report.sigma_max, options, rng);
    nll.add(-result.log_likelihood.unsqueeze(1));
    evaluations += result.nfe * size;
  });
  return {nll.mean(0), evaluations / x0.size(0), options, prior.name};
}

void add_class_information(LikelihoodReport& report, const Model& model,
                           const MeasuredImages& images, const std::vector<double>& levels,
                           const LikelihoodSettings& settings) {
  report.classes = model.network ? model.network->num_classes() : 0;
  if (!conditional_denoiser(model, images.labels)) return;
  ClassInformation information(levels, images.x0[0].numel());
  auto rng = make_generator(settings.seed, "class information", 0, images.x0.device());
  for_batches(
      "class information", images.x0.size(0), settings.batch, [&](int64_t first, int64_t size) {
        const auto conditional = conditional_denoiser(model, images.labels.narrow(0, first, size));
        information.add(*conditional, *model.denoiser, images.x0.narrow(0, first, size), rng);
      });
  report.class_information = information.information();
  report.class_information_of_loss = information.information_of_loss();
  report.levels = static_cast<int64_t>(levels.size());
}

void add_exact(LikelihoodReport& report, const torch::Tensor& x0) {
  if (!is_toy(report.data)) return;
  const auto law = find_toy(report.data).make();
  report.has_density = law.variances().min().item<double>() > 0;
  if (report.ode) report.exact.ode = mean_nll(law, x0, report.sigma_min);
  if (report.information) {
    auto rng = make_generator(0, "exact entropy");
    const auto clean = law.sample(kExactDraws, rng);
    const auto noise = torch::randn(clean.sizes(), rng, clean.options());
    report.exact.bound = mean_nll(law, clean + report.sigma_min * noise, report.sigma_min);
    if (report.has_density) report.exact.matched = mean_nll(law, clean, /*sigma=*/0);
  }
}

}  // namespace halcyon
