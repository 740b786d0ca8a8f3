#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "cli/command_line.h"
#include "cli/likelihood.h"
#include "cli/metric_job.h"
#include "cli/model_use.h"
#include "cli/run_options.h"
#include "data/dequantization.h"
#include "metrics/script_features.h"
#include "samplers/options.h"

namespace halcyon {

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
  ModelUse use = {.out = "evaluation"};
  Likelihood likelihood = Likelihood::it;
  int64_t images = 1024;
  int64_t batch = 64;
  double sigma_min = 0;
  double sigma_max = 0;
  Dequantization dequantization = Dequantization::uniform;
  Prior prior = Prior::gaussian;
  int64_t class_levels = 16;
  InformationOptions information;
  OdeOptions ode;
  std::string samples;
  int64_t draw = 0;
  std::vector<std::string> metrics;
  std::string reference;
  bool keep_features = false;
  int64_t count = 0;
  int64_t reference_count = 0;
  MetricOptions metric;
  ScriptOptions features;
  SamplerOptions sampler;
  MachineOptions machine;
  DataOptions data;

  /// Whether samples are to be measured, and not likelihoods.
  bool measures_samples() const { return !samples.empty() || draw != 0; }

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    CommonOptions::fields(self.common, field);
    ModelUse::fields(self.use, field,
                     "chooses images, noise and probes: equal for models to be compared; seed of "
                     "samples drawn",
                     "folder for likelihood.json and fisher_integrals.csv, or evaluation.json, "
                     "evaluation.csv and nearest.png of samples");
    field(
        self.samples, "samples",
        "samples to measure: X.zip, X.safetensors or the folder of `halcyon sample`, or what else "
        "data.path may be");
    field(self.draw, "draw",
          "draw so many samples from the checkpoint with [sampler] and measure them; they are kept "
          "in OUT/samples.zip");
    field(self.metrics, "metrics",
          "what to measure of samples, as `halcyon list metrics` names it; empty: all that can be");
    field(self.reference, "reference",
          "X.npz of the reference's mean and covariance (mu, sigma) as pytorch-fid writes it, for "
          "which no data is wanted; written if it is not there");
    field(self.keep_features, "keep_features",
          "write the reference's features into --reference too, for all metrics of features");
    field(self.count, "count", "samples to measure, the first; 0: all");
    field(self.reference_count, "reference_count",
          "reference images, chosen by the seed; 0: all of data.split, the test part if none is "
          "named and there is one");
    field(self.likelihood, "likelihood",
          "it: information-theoretic upper bound; ode: probability-flow ODE");
    field(self.images, "images", "images whose likelihood is measured, >= 2");
    field(self.batch, "batch", "of these at once, > 0");
    field(self.sigma_min, "sigma_min", "lowest noise level; raised to the model's lowest");
    field(self.sigma_max, "sigma_max", "highest noise level; 0: the model's, which also limits it");
    field(self.dequantization, "dequantization",
          "noise on 8-bit pixels: uniform over their bins, or none; toys get none");
    field(self.prior, "prior",
          "law of images at sigma_max (ode): gaussian, of the data's covariance, or noise alone");
    field(self.class_levels, "class_levels",
          "noise levels of the class information (it, class-conditional models), >= 2");
  }
  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("it", self.information);
    section("ode", self.ode);
    section("metric", self.metric);
    section("features", self.features);
    section("sampler", self.sampler);
    section("run", self.machine);
    section("data", self.data);
  }
};

inline constexpr const char* kEvaluateUsage =
    "halcyon evaluate --checkpoint RUN_OR_FILE [--likelihood it|ode] [--key value ...]\n"
    "       halcyon evaluate --samples SAMPLES --data.path REFERENCE [--key value ...]\n"
    "       halcyon evaluate --checkpoint RUN_OR_FILE --draw COUNT [--key value ...]";

}  // namespace halcyon
