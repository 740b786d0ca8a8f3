#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "checkpoint/checkpoint.h"
#include "cli/command_line.h"
#include "cli/guidance.h"
#include "cli/model_use.h"
#include "cli/run_options.h"
#include "cli/start_images.h"
#include "core/calibrated_denoiser.h"
#include "core/clamped_denoiser.h"
#include "core/precision.h"
#include "core/switch.h"
#include "samplers/options.h"

namespace halcyon {

/// The command line of `halcyon sample`.
struct SampleCommand {
  CommonOptions common;
  ModelUse use = {.out = "samples"};
  std::string calibration;
  int64_t count = 64;
  int64_t batch = 0;
  int64_t label = -1;
  Precision precision = Precision::automatic;
  int64_t reuse = 1;
  Switch graph = Switch::automatic;
  bool tensors = false;
  int64_t trajectory = 0;
  MachineOptions machine;
  SamplerOptions sampler;
  GuidanceSection guidance;
  ClampOptions clamp;
  StartSection start;

  bool guided() const { return guidance.options.weight != 1; }

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    CommonOptions::fields(self.common, field);
    ModelUse::fields(self.use, field, "image k of a seed is the same whatever the count and batch",
                     "folder for the images, grid.png and samples.json; X.zip (uncompressed) or "
                     "X.safetensors ([N, C, H, W] in model units), with X.png and X.json beside");
    field(self.calibration, "calibration", "file of `halcyon calibrate`; empty: none");
    field(self.count, "count", "images to draw, > 0; with start.image those times start.copies");
    field(self.batch, "batch", "images drawn at once; 0: as a short measurement finds fast");
    field(self.label, "class", "class to draw (class-conditional models); -1: any");
    field(self.label, "label", "the same as --class");
    field(self.precision, "precision", kPrecisionHelp);
    field(self.reuse, "reuse",
          "compute the coarse features of a U-Net in one of so many evaluations only, and take the "
          "last ones between: faster, less exact");
    field(self.graph, "graph",
          "on a GPU, record an evaluation of the network and replay it (CUDA graph): the same "
          "images, sooner; auto: where it can be");
    field(self.tensors, "tensors", "also write samples.safetensors into the folder");
    field(self.trajectory, "trajectory",
          "show the first so many images on their way, as a film strip and a video; all of one "
          "batch");
  }
  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("run", self.machine);
    section("sampler", self.sampler);
    section("guidance", self.guidance);
    section("clamp", self.clamp);
    section("start", self.start);
  }
};

/// A model with all that the command line puts on it.
struct Steered {
  Model model;
  std::optional<StartImages> start = {};
  std::optional<Guidance> guidance = {};
  std::optional<CalibratedDenoiser> calibrated = {};
  std::optional<ClampedDenoiser> clamped = {};

  Denoiser& denoiser() {
    if (clamped) return *clamped;
    if (calibrated) return *calibrated;
    return guidance ? static_cast<Denoiser&>(guidance->denoiser()) : *model.denoiser;
  }
  int64_t second_evaluations() { return guidance ? guidance->denoiser().second_evaluations() : 0; }
};

/// All of `halcyon sample` once its command line is read: returns the exit code, 0 or that of the
/// signal that stopped it.
int sample_images(SampleCommand command, bool count_is_named);

}  // namespace halcyon
