#pragma once

#include <cstdint>
#include <string>

#include "core/denoising_loss.h"
#include "core/switch.h"
#include "data/data_options.h"
#include "fisher/fisher_options.h"
#include "models/registry.h"
#include "samplers/options.h"
#include "training/ema.h"
#include "training/optimizer.h"
#include "training/train_step.h"

namespace halcyon {

struct SeedOptions {
  uint64_t seed = 0;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.seed, "seed", "seed of initial weights, data order, noise and sample grids");
  }
};

/// What makes a model what it is: everything that decides its weights but the machine and the
/// place.  Kept in every checkpoint.
struct Recipe {
  SeedOptions randomness;
  DataOptions data;
  ModelOptions model;
  PreconditioningOptions preconditioning;
  LossOptions loss;
  OptimizerOptions optimizer;
  EmaOptions ema;
  TrainingOptions training;

  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("run", self.randomness);
    section("data", self.data);
    section("model", self.model);
    section("preconditioning", self.preconditioning);
    section("loss", self.loss);
    section("optimizer", self.optimizer);
    section("ema", self.ema);
    section("training", self.training);
  }
};

/// The machine that a command works on.
struct MachineOptions {
  int64_t threads = 0;
  std::string device = "cpu";

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.threads, "threads", "CPU threads; 0: one for each core");
    field(self.device, "device", "cpu, cuda or cuda:N");
  }
};

/// Where a run lives and how often it reports.
struct RunOptions {
  std::string dir = "runs/latest";
  int64_t log_every = 20;
  int64_t checkpoint_every = 1000;
  int64_t keep_checkpoints = 3;
  int64_t sample_every = 1000;
  int64_t sample_count = 36;
  int64_t fisher_every = 1000;
  Switch resident = Switch::automatic;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.dir, "dir", "run directory: everything that the run writes");
    field(self.log_every, "log_every", "steps between rows of metrics.csv, > 0");
    field(self.checkpoint_every, "checkpoint_every", "steps between checkpoints; 0: only the last");
    field(self.keep_checkpoints, "keep_checkpoints", "newest checkpoints kept; 0: all");
    field(self.sample_every, "sample_every", "steps between sample grids; 0: none");
    field(self.sample_count, "sample_count", "images of a sample grid, > 0");
    field(self.fisher_every, "fisher_every", "steps between Fisher tables; 0: none");
    field(self.resident, "resident",
          "keep the training images in the memory of run.device; auto: on a GPU, up to 8 GB");
  }
};

/// All of config.ini.
struct TrainingRun {
  RunOptions run;
  MachineOptions machine;
  Recipe recipe;
  SamplerOptions sampler;
  FisherOptions fisher = {.levels = 12, .images = 256};

  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("run", self.run);
    section("run", self.machine);
    section("", self.recipe);
    section("sampler", self.sampler);
    section("fisher", self.fisher);
  }
};

}  // namespace halcyon
