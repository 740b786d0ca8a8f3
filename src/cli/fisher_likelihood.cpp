#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "cli/estimate_text.h"
#include "cli/fisher_job.h"
#include "cli/likelihood.h"
#include "core/error.h"
#include "core/torch.h"
#include "fisher/entropy.h"
#include "io/atomic_file.h"

namespace halcyon {
namespace {

/// The entropy of p(x; sigma_min) by one estimate of J, from every `stride`-th level and the last.
Estimate entropy_from(FisherJob& job, Estimate FisherEstimates::*information, size_t stride = 1) {
  std::vector<double> sigmas;
  std::vector<Estimate> values;
  for (size_t k = 0; k < job.levels.size(); ++k) {
    if (k % stride != 0 && k + 1 != job.levels.size()) continue;
    sigmas.push_back(job.levels[k].sigma);
    values.push_back(job.levels[k].*information);
  }
  if (values.front().count == 0) return {};  // without probes
  const auto entropy = fisher_entropy(sigmas, values, *job.training.reference().gaussian);
  auto noised = entropy.noised;
  if (job.study.levels() == Levels::share_images) {
    noised.standard_error = entropy.standard_error_bound;
  }
  return noised;
}

/// The error of the trapezoidal rule, which falls with the square of the step: a third of what
/// twice the step changes.
double quadrature_error(FisherJob& job, const Estimate& fine) {
  const auto coarse = entropy_from(job, &FisherEstimates::fisher_info_low, /*stride=*/2);
  return std::abs(coarse.value - fine.value) / 3;
}

/// The same number as an integral of the curve, three ways.
void add_entropies(FisherJob& job, LikelihoodReport& report) {
  const auto second = entropy_from(job, &FisherEstimates::fisher_info_exp);
  const auto observed = entropy_from(job, &FisherEstimates::fisher_info_obs);
  const auto bound = entropy_from(job, &FisherEstimates::fisher_info_low);
  report.entropy = observed.count > 0 ? observed : second;
  report.levels = static_cast<int64_t>(job.levels.size());

  const auto bits = [&](const Estimate& nats) {
    auto b = scaled(nats, 1 / (static_cast<double>(report.dim) * std::numbers::ln2));
    b.value -= std::log2(report.bin_width);
    return b;
  };
  Table shown{.columns = {"by integrating the curve", "nats", "bits/dim"}};
  for (const auto& [name, nats] : {std::pair{"E|s|^2", second}, std::pair{"-E tr grad s", observed},
                                   std::pair{"the loss: an upper bound", bound}}) {
    shown.rows.push_back({std::string(name), with_error(nats), with_error(bits(nats))});
    job.summary["entropy_nats"][name] = to_json(nats);
  }
  const auto& exact = job.training.reference().exact;
  if (exact && exact->components() <= 2) {
    const double nats = exact->entropy(report.sigma_min);
    shown.rows.push_back({std::string("the exact law"), nats, bits({nats, 0, 1}).value});
  }
  fmt::print("{}{}", to_text(shown),
             report.bin_width < 1 ? "pixels as they are, not dequantised\n" : "");
  if (job.levels.size() > 2) {
    fmt::print("the trapezoidal rule is off by some {:.2g} nats\n", quadrature_error(job, bound));
  }
}

LikelihoodReport describe(const FisherJob& job) {
  LikelihoodReport report;
  report.source = job.model.source;
  report.weights = job.model.weights;
  report.step = job.model.step;
  report.split = job.data.split;
  report.data = job.options.data.path;
  report.seed = job.options.use.seed;
  report.images = job.study.count();
  report.dim = job.study.dim();
  const bool has_density = job.data.set.images.is_floating_point();
  report.dequantization = has_density ? Dequantization::none : job.options.dequantization;
  report.bin_width = has_density ? 1 : kPixelBinWidth;
  report.sigma_min = job.study.sigmas().front();
  report.sigma_max = job.study.sigmas().back();
  report.path_kl = job.path_kl;
  return report;
}

void add_bound(FisherJob& job, LikelihoodReport& report, const torch::Tensor& x0) {
  try {
    const auto reference = likelihood_reference(job.data.set);
    report.reference = reference.name;
    report.information = information_nll(*job.model.denoiser, reference.gaussian, x0, report, {},
                                         {job.options.fisher.batch, report.seed});
    add_exact(report, x0);
  } catch (const DataError& error) {  // images too large
    fmt::print(stderr, "warning: no likelihood: {}\n", error.what());
  }
}

void check_class_information(FisherJob& job, const LikelihoodReport& report) {
  if (!report.class_information) return;
  const auto& nats = *report.class_information;
  const double most = std::log(static_cast<double>(report.classes));
  if (nats.value - most <= 5 * nats.standard_error) return;
  job.alarms["likelihood"].push_back(
      fmt::format("class information {} nats is more than the ln K = {:.3g} that classes can have",
                  with_error(nats), most));
}

}  // namespace

void measure_likelihood(FisherJob& job) {
  auto report = describe(job);
  auto images = choose_images(job.data.set, report.images, report.seed, report.dequantization);
  images.x0 = images.x0.to(job.device);
  add_bound(job, report, images.x0);
  if (!job.uncalibrated) {  // of one calibrated and one uncalibrated score nothing is known
    add_class_information(report, job.model, images, job.study.sigmas(),
                          {job.options.fisher.batch, report.seed});
  }
  fmt::print("{}", likelihood_text(report));
  if (!job.levels.empty() && job.training.reference().gaussian) add_entropies(job, report);
  check_class_information(job, report);
  job.summary["likelihood"] = nlohmann::json::parse(likelihood_json(report));
  write_csv(job.path("fisher_integrals.csv"), likelihood_row(report));
}

}  // namespace halcyon
