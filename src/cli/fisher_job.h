#pragma once

#include <array>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "cli/command_line.h"
#include "cli/data_loading.h"
#include "cli/fisher_study.h"
#include "cli/model_use.h"
#include "cli/run_options.h"
#include "cli/training_data.h"
#include "data/dequantization.h"
#include "fisher/parameter_options.h"

namespace halcyon {

/// What is measured: the network of a checkpoint, the exact denoiser of the training images, or
/// that of a toy's law.
enum class MeasuredDenoiser { checkpoint, empirical, exact };

inline constexpr std::array<std::pair<MeasuredDenoiser, const char*>, 3> enum_names(
    MeasuredDenoiser) {
  return {{{MeasuredDenoiser::checkpoint, "checkpoint"},
           {MeasuredDenoiser::empirical, "empirical"},
           {MeasuredDenoiser::exact, "exact"}}};
}

/// What the information is about: the score of the data, or the network's parameters.
enum class FisherSpace { data, parameters };

inline constexpr std::array<std::pair<FisherSpace, const char*>, 2> enum_names(FisherSpace) {
  return {{{FisherSpace::data, "data"}, {FisherSpace::parameters, "parameters"}}};
}

struct FisherCommand {
  CommonOptions common;
  ModelUse use = {.out = "fisher"};
  FisherSpace space = FisherSpace::data;
  MeasuredDenoiser denoiser = MeasuredDenoiser::checkpoint;
  std::string calibration;
  std::string against;
  std::string against_weights = "ema";
  std::string only;
  bool check_kl = false;
  int64_t detail_levels = 6;
  double detail_sigma_max = 5;
  int64_t detail_images = 64;
  int64_t panel_images = 8;
  Dequantization dequantization = Dequantization::uniform;
  FisherOptions fisher = {.levels = 24};
  ParameterFisherOptions parameters;
  MachineOptions machine;
  DataOptions data;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    CommonOptions::fields(self.common, field);
    ModelUse::fields(self.use, field,
                     "chooses images, noise and probes: equal for models to be compared",
                     "folder for the tables and pictures");
    field(self.space, "space",
          "data: information of the data's score; parameters: of the network's weights");
    field(self.denoiser, "denoiser",
          "what is measured: checkpoint, empirical (of the training images) or exact (toys)");
    field(self.calibration, "calibration", "file of `halcyon calibrate`; empty: none");
    field(self.against, "against", "a second checkpoint, for the divergence of the two scores");
    field(self.against_weights, "against_weights", "its weights: raw, ema, or ema-HALFLIFE");
    field(self.only, "only",
          "parts to do, with commas between; empty: all.  `halcyon list fisher` names them");
    field(
        self.check_kl, "check_kl",
        "the part steps of --space parameters, alone or beside those of --only: the divergence of "
        "steps of the parameters against half its quadratic form");
    field(self.detail_levels, "detail_levels",
          "of the levels, how many for maps, spectrum, jacobian and dimension, >= 2");
    field(self.detail_sigma_max, "detail_sigma_max",
          "the highest of them, above which an image leaves hardly a trace in its noise");
    field(self.detail_images, "detail_images",
          "images a level for spectrum, jacobian and dimension, >= 4");
    field(self.panel_images, "panel_images", "images whose maps are drawn, > 0");
    field(self.dequantization, "dequantization",
          "noise on 8-bit pixels for the likelihood bound: uniform over their bins, or none");
    FisherOptions::fields(self.fisher, field);
  }
  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("parameters", self.parameters);
    section("run", self.machine);
    section("data", self.data);
  }
};

/// What `halcyon fisher` works on and has found so far.
struct FisherJob {
  FisherCommand options;
  Model model;
  torch::Device device;
  TrainingData training;
  HeldOut data;  ///< what it is measured on
  FisherStudy study;
  std::unique_ptr<Denoiser> uncalibrated = {};  ///< inside model.denoiser, with a calibration

  std::vector<MemorisationEstimates> floors = {};
  std::vector<FisherEstimates> levels = {};  ///< of the curve
  std::optional<Estimate> path_kl = {};      ///< to options.against
  nlohmann::json summary = nlohmann::json::object();
  std::map<std::string, std::vector<std::string>> alarms = {};  ///< by part

  std::string path(const std::string& name) const { return options.use.out + "/" + name; }
  /// options.detail_levels of the study's levels up to options.detail_sigma_max (of all where fewer
  /// than 2 are), evenly spaced, the first and last of these among them.
  std::vector<double> detail_sigmas() const;
};

/// A thing that can be measured by itself.
struct FisherPart {
  const char* name;     ///< as in --only
  const char* summary;  ///< one line
  void (*run)(FisherJob& job);
  std::vector<const char*> files;  ///< of the output folder, those that it writes
  FisherSpace space = FisherSpace::data;
};

/// Every part, in the order they are done.
const std::vector<FisherPart>& fisher_parts();

// The parts.
void measure_floors(FisherJob& job);
void measure_curve(FisherJob& job);
void measure_divergence(FisherJob& job);
void measure_likelihood(FisherJob& job);
void measure_maps(FisherJob& job);
void measure_spectrum(FisherJob& job);
void measure_jacobian(FisherJob& job);
void measure_dimension(FisherJob& job);
void measure_parameters(FisherJob& job);
void measure_parameter_spectrum(FisherJob& job);
void measure_parameter_steps(FisherJob& job);
void measure_parameter_curvature(FisherJob& job);

}  // namespace halcyon
