#pragma once

#include <array>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/checkpoint.h"
#include "cli/command_line.h"
#include "cli/data_loading.h"
#include "cli/fisher_report.h"
#include "cli/fisher_study.h"
#include "cli/run_options.h"

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

struct FisherCommand {
  CommonOptions common;
  std::string checkpoint;
  std::string weights = "ema";
  MeasuredDenoiser denoiser = MeasuredDenoiser::checkpoint;
  std::string calibration;
  std::string against;
  std::string against_weights = "ema";
  std::string only;
  int64_t detail_levels = 6;
  int64_t detail_images = 64;
  int64_t panel_images = 8;
  uint64_t seed = 0;
  std::string out = "fisher";
  FisherOptions fisher = {.levels = 24};
  MachineOptions machine;
  DataOptions data;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    CommonOptions::fields(self.common, field);
    field(self.checkpoint, "checkpoint", kCheckpointHelp);
    field(self.weights, "weights", "raw, ema, or ema-HALFLIFE");
    field(self.denoiser, "denoiser",
          "what is measured: checkpoint, empirical (of the training images) or exact (toys)");
    field(self.calibration, "calibration", "file of `halcyon calibrate`; empty: none");
    field(self.against, "against", "a second checkpoint, for the divergence of the two scores");
    field(self.against_weights, "against_weights", "its weights: raw, ema, or ema-HALFLIFE");
    field(self.only, "only",
          "parts to do, with commas between; empty: all.  `halcyon list fisher` names them");
    field(self.detail_levels, "detail_levels",
          "of the levels, how many for maps, spectrum, jacobian and dimension, >= 2");
    field(self.detail_images, "detail_images",
          "images a level for spectrum, jacobian and dimension, >= 4");
    field(self.panel_images, "panel_images", "images whose maps are drawn, > 0");
    field(self.seed, "seed", "chooses images, noise and probes: equal for models to be compared");
    field(self.out, "out", "folder for the tables and pictures");
    FisherOptions::fields(self.fisher, field);
  }
  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("run", self.machine);
    section("data", self.data);
  }
};

/// What `halcyon fisher` works on and has found so far.
struct FisherJob {
  FisherCommand options;
  Model model;
  torch::Device device;
  ImageSet training;  ///< what the model was trained on, or the same part of other data
  HeldOut data;       ///< what it is measured on
  FisherReference reference;
  FisherStudy study;
  std::unique_ptr<Denoiser> uncalibrated = {};  ///< inside model.denoiser, with a calibration

  std::vector<MemorisationEstimates> floors = {};
  std::vector<FisherEstimates> levels = {};  ///< of the curve
  std::optional<Estimate> path_kl = {};      ///< to options.against
  nlohmann::json summary = nlohmann::json::object();
  std::vector<std::string> alarms = {};

  std::string path(const std::string& name) const { return options.out + "/" + name; }
  /// options.detail_levels of the study's levels, evenly spaced, the first and last among them.
  std::vector<double> detail_sigmas() const;
};

/// A thing that can be measured by itself.
struct FisherPart {
  const char* name;     ///< as in --only
  const char* summary;  ///< one line
  void (*run)(FisherJob& job);
};

/// Every part, in the order they are done.
const std::vector<FisherPart>& fisher_parts();

/// A signal asked to stop; what was measured is kept.
struct Interrupted {
  int signal;
};
/// @throws Interrupted once a signal came.
void stop_if_interrupted();

// The parts.
void measure_floors(FisherJob& job);
void measure_curve(FisherJob& job);
void measure_divergence(FisherJob& job);
void measure_integrals(FisherJob& job);
void measure_maps(FisherJob& job);
void measure_spectrum(FisherJob& job);
void measure_jacobian(FisherJob& job);
void measure_dimension(FisherJob& job);

}  // namespace halcyon
