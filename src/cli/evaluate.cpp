#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>

#include "cli/evaluation_data.h"
#include "cli/likelihood_report.h"
#include "cli/machine.h"
#include "cli/progress.h"
#include "config/text_value.h"
#include "core/error.h"
#include "core/random.h"
#include "core/require.h"
#include "data/toy_distribution.h"
#include "fisher/class_information.h"
#include "fisher/fisher_level.h"
#include "fisher/ode_likelihood.h"
#include "io/atomic_file.h"

namespace halcyon {
namespace {

enum class Likelihood { it, ode };

inline constexpr std::array<std::pair<Likelihood, const char*>, 2> enum_names(Likelihood) {
  return {{{Likelihood::it, "it"}, {Likelihood::ode, "ode"}}};
}

enum class Prior { gaussian, noise };

inline constexpr std::array<std::pair<Prior, const char*>, 2> enum_names(Prior) {
  return {{{Prior::gaussian, "gaussian"}, {Prior::noise, "noise"}}};
}

struct EvaluateCommand {
  CommonOptions common;
  std::string checkpoint;
  std::string weights = "ema";
  Likelihood likelihood = Likelihood::it;
  uint64_t seed = 0;
  int64_t images = 1024;
  int64_t batch = 64;
  double sigma_min = 0;
  double sigma_max = 0;
  Dequantization dequantization = Dequantization::uniform;
  Prior prior = Prior::gaussian;
  int64_t class_levels = 16;
  std::string out = "evaluation";
  InformationOptions information;
  OdeOptions ode;
  MachineOptions machine;
  DataOptions data;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    CommonOptions::fields(self.common, field);
    field(self.checkpoint, "checkpoint",
          "run directory, step directory, .safetensors file, or toy:NAME for its exact denoiser");
    field(self.weights, "weights", "raw, ema, or ema-HALFLIFE");
    field(self.likelihood, "likelihood",
          "it: information-theoretic upper bound; ode: probability-flow ODE");
    field(self.seed, "seed", "chooses images, noise and probes: equal for models to be compared");
    field(self.images, "images", "images to evaluate, >= 2");
    field(self.batch, "batch", "images evaluated at once, > 0");
    field(self.sigma_min, "sigma_min", "lowest noise level; raised to the model's lowest");
    field(self.sigma_max, "sigma_max", "highest noise level; 0: the model's, which also limits it");
    field(self.dequantization, "dequantization",
          "noise on 8-bit pixels: uniform over their bins, or none; toys get none");
    field(self.prior, "prior",
          "law of images at sigma_max (ode): gaussian, of the data's covariance, or noise alone");
    field(self.class_levels, "class_levels",
          "noise levels of the class information (it, class-conditional models), >= 2");
    field(self.out, "out", "folder for likelihood.json and fisher_integrals.csv");
  }
  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("it", self.information);
    section("ode", self.ode);
    section("run", self.machine);
    section("data", self.data);
  }
};

constexpr const char* kUsage =
    "halcyon evaluate --checkpoint RUN_OR_FILE [--likelihood it|ode] [--key value ...]";
constexpr int64_t kMostDimensions = 4096;  // of a covariance matrix: 128 MiB
constexpr int64_t kMostImages = 20000;     // to estimate it from
constexpr int64_t kExactDraws = 100000;    // of a toy, for its entropy

void check_options(const EvaluateCommand& command) {
  require_option(command.images >= 2, "images", "a whole number >= 2", command.images);
  require_option(command.batch > 0, "batch", "a whole number > 0", command.batch);
  require_option(command.class_levels >= 2, "class_levels", "a whole number >= 2",
                 command.class_levels);
  require_option(command.sigma_min >= 0, "sigma_min", "a number >= 0", command.sigma_min);
  require_option(command.sigma_max >= 0, "sigma_max", "a number >= 0", command.sigma_max);
  check_options(command.information);
  check_options(command.ode);
}

struct EvaluationImages {
  torch::Tensor x0;      // [N, C, H, W] float32 in model units
  torch::Tensor labels;  // [N], or undefined
};

/// Images of the set in the order that `seed` gives them, which is that of `halcyon fisher`.
EvaluationImages choose(const ImageSet& set, int64_t count, uint64_t seed,
                        Dequantization dequantization) {
  auto order_rng = make_generator(seed, "evaluation images");
  const auto order = torch::randperm(set.images.size(0), order_rng, torch::kInt64);
  const auto index = order.narrow(0, 0, std::min(count, order.size(0)));
  const auto pixels = set.images.index_select(0, index);
  auto rng = make_generator(seed, "dequantization");
  return {
      dequantization == Dequantization::uniform ? dequantize(pixels, rng) : to_model_units(pixels),
      set.labels.defined() ? set.labels.index_select(0, index) : set.labels};
}

struct Reference {
  GaussianMixture gaussian;
  std::string name;
};

/// The Gaussian that stands for the data where the model is not asked.
Reference fit_reference(const ImageSet& set, Dequantization dequantization) {
  const int64_t dim = set.images[0].numel();
  if (dim > kMostDimensions) {
    throw DataError(
        fmt::format("evaluate: images of {} numbers; want at most {}, for the data's "
                    "covariance",
                    dim, kMostDimensions));
  }
  const auto x0 = choose(set, kMostImages, /*seed=*/0, dequantization).x0;
  if (x0.size(0) > dim) return {fit_gaussian(x0), "Gaussian of the images' covariance"};
  const auto x = x0.flatten(1).to(torch::kFloat64);
  return {{torch::ones({1}), x.mean(0, /*keepdim=*/true), x.var(0)},
          "Gaussian of the pixels' variances"};
}

/// Calls `work` with the first image and the size of each batch.
void for_batches(const EvaluateCommand& command, int64_t images,
                 const std::function<void(int64_t, int64_t)>& work) {
  Progress progress("Likelihood", "images", images);
  for (int64_t first = 0; first < images; first += command.batch) {
    const int64_t size = std::min(command.batch, images - first);
    work(first, size);
    progress.update(first + size);
  }
}

InformationNll information_nll(const EvaluateCommand& command, const LikelihoodReport& report,
                               const Model& model, const GaussianMixture& gaussian,
                               const torch::Tensor& x0) {
  InformationLikelihood likelihood(gaussian, report.sigma_min, report.sigma_max,
                                   command.information);
  auto rng = make_generator(command.seed, "information likelihood", 0, x0.device());
  for_batches(command, x0.size(0), [&](int64_t first, int64_t size) {
    likelihood.add(*model.denoiser, x0.narrow(0, first, size), rng);
  });
  return likelihood.estimates();
}

OdeNll ode_nll(const EvaluateCommand& command, const LikelihoodReport& report, const Model& model,
               const GaussianMixture& gaussian, const torch::Tensor& x0) {
  const int64_t dim = report.dim;
  const bool noise = command.prior == Prior::noise;
  const GaussianMixture origin(torch::ones({1}), torch::zeros({1, dim}), torch::zeros({dim}));
  SampleMoments nll(1);
  int64_t evaluations = 0;
  auto rng = make_generator(command.seed, "likelihood probes", 0, x0.device());
  for_batches(command, x0.size(0), [&](int64_t first, int64_t size) {
    const auto result =
        ode_likelihood(*model.denoiser, x0.narrow(0, first, size), noise ? origin : gaussian,
                       report.sigma_min, report.sigma_max, command.ode, rng);
    nll.add(-result.log_likelihood.unsqueeze(1));
    evaluations += result.nfe * size;
  });
  return {nll.mean(0), evaluations / x0.size(0), command.ode,
          noise ? "noise alone" : report.reference};
}

Estimate class_information(const EvaluateCommand& command, const LikelihoodReport& report,
                           const Model& model, const EvaluationImages& images,
                           torch::Device device) {
  const int64_t highest = images.labels.max().item<int64_t>();
  if (highest >= report.classes) {
    throw DataError(fmt::format("data.labels: class {} in the images, but the model has {} classes",
                                highest, report.classes));
  }
  ClassInformation information(
      log_spaced_levels(report.sigma_min, report.sigma_max, command.class_levels), report.dim);
  auto rng = make_generator(command.seed, "class information", 0, device);
  for_batches(command, report.images, [&](int64_t first, int64_t size) {
    PreconditionedDenoiser conditional(*model.network, *model.preconditioning,
                                       images.labels.narrow(0, first, size).to(device));
    information.add(conditional, *model.denoiser, images.x0.narrow(0, first, size), rng);
  });
  return information.information();
}

Estimate mean_nll(const GaussianMixture& law, const torch::Tensor& x, double sigma) {
  SampleMoments moments(1);
  for (const auto& part : x.split(10000)) {
    const auto level = torch::full({part.size(0)}, sigma, torch::kFloat64);
    moments.add(-law.log_density(part, level).unsqueeze(1));
  }
  return moments.mean(0);
}

ExactNll exact_nll(const LikelihoodReport& report, const torch::Tensor& x0) {
  ExactNll exact;
  if (!is_toy(report.data)) return exact;
  const auto law = find_toy(report.data).make();
  if (report.ode) exact.ode = mean_nll(law, x0, report.sigma_min);
  if (report.information) {
    auto rng = make_generator(0, "exact entropy");
    const auto clean = law.sample(kExactDraws, rng);
    const auto noise = torch::randn(clean.sizes(), rng, clean.options());
    exact.bound = mean_nll(law, clean + report.sigma_min * noise, report.sigma_min);
    const bool has_density = law.variances().min().item<double>() > 0;
    if (has_density) exact.matched = mean_nll(law, clean, /*sigma=*/0);
  }
  return exact;
}

LikelihoodReport describe(const EvaluateCommand& command, const Model& model, const HeldOut& data,
                          const Reference& reference, Dequantization dequantization) {
  const double highest = command.sigma_max > 0 ? std::min(command.sigma_max, model.range.sigma_max)
                                               : model.range.sigma_max;
  LikelihoodReport report;
  report.source = model.source;
  report.weights = model.weights;
  report.step = model.step;
  report.split = data.split;
  report.data = command.data.path.empty() ? model.recipe.data.path : command.data.path;
  report.seed = command.seed;
  report.images = std::min(command.images, data.set.images.size(0));
  report.dim = data.set.images[0].numel();
  report.dequantization = dequantization;
  report.bin_width = data.set.images.is_floating_point() ? 1 : kPixelBinWidth;
  report.reference = reference.name;
  report.sigma_min = std::max(command.sigma_min, model.range.sigma_min);
  report.sigma_max = highest;
  return report;
}

void measure(const EvaluateCommand& command, const Model& model, const GaussianMixture& gaussian,
             const EvaluationImages& images, LikelihoodReport& report) {
  const auto& x0 = images.x0;
  if (command.likelihood == Likelihood::it) {
    report.information = information_nll(command, report, model, gaussian, x0);
    report.classes = model.network ? model.network->num_classes() : 0;
    if (report.classes > 0 && images.labels.defined()) {
      report.class_information = class_information(command, report, model, images, x0.device());
      report.class_levels = command.class_levels;
    }
  } else {
    report.ode = ode_nll(command, report, model, gaussian, x0);
  }
}

}  // namespace

int evaluate_command(const Arguments& arguments) {
  EvaluateCommand command;
  if (!parse_command_line(kUsage, command, arguments)) return 0;
  check_options(command);
  const auto device = set_up_machine(command.machine);
  const auto model = load_model(command.checkpoint, command.weights, /*label=*/-1, device);
  const auto data =
      load_evaluation_data(kUsage, EvaluateCommand(), arguments, model, /*labels=*/true);
  if (data.set.images.size(0) < 2) throw DataError("evaluate: want at least 2 images, got 1");
  const auto dequantization =
      data.set.images.is_floating_point() ? Dequantization::none : command.dequantization;
  make_directory(command.out);  // before the long part: a bad folder costs no work

  const auto reference = fit_reference(data.set, dequantization);
  auto images = choose(data.set, command.images, command.seed, dequantization);
  images.x0 = images.x0.to(device);
  auto report = describe(command, model, data, reference, dequantization);
  const auto start = std::chrono::steady_clock::now();
  measure(command, model, reference.gaussian, images, report);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  report.exact = exact_nll(report, images.x0);

  write_file_atomically(command.out + "/likelihood.json", likelihood_json(report));
  append_csv(command.out + "/fisher_integrals.csv", likelihood_row(report));
  fmt::print("{}{}/likelihood.json, {}/fisher_integrals.csv ({})\n", likelihood_text(report),
             command.out, command.out, duration_text(report.seconds));
  return 0;
}

}  // namespace halcyon
