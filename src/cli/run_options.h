#pragma once

#include <cstdint>
#include <string>

#include "checkpoint/recipe.h"
#include "core/switch.h"
#include "fisher/fisher_options.h"
#include "samplers/options.h"

namespace halcyon {

/// The machine that a command works on.
struct MachineOptions {
  int64_t threads = 0;
  std::string device = "cpu";

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.threads, "threads", "CPU threads; 0: OMP_NUM_THREADS, or one for each core");
    field(self.device, "device", "cpu, cuda or cuda:N");
  }
};

/// Where a run lives and how often it reports.
struct RunOptions {
  std::string dir = "runs/latest";
  int64_t log_every = 20;
  int64_t gradient_bands = 0;
  int64_t checkpoint_every = 1000;
  int64_t keep_checkpoints = 3;
  int64_t sample_every = 1000;
  int64_t sample_count = 36;
  int64_t fisher_every = 1000;
  bool tensorboard = true;
  Switch resident = Switch::automatic;
  bool graph = false;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.dir, "dir", "run directory: everything that the run writes");
    field(self.log_every, "log_every", "steps between rows of metrics.csv, > 0");
    field(self.gradient_bands, "gradient_bands",
          "bands of noise levels whose gradients each row tells of: |E g|^2, and its share of the "
          "noise of one image, for about one more gradient of the batch; 0: none");
    field(self.checkpoint_every, "checkpoint_every", "steps between checkpoints; 0: only the last");
    field(self.keep_checkpoints, "keep_checkpoints", "newest checkpoints kept; 0: all");
    field(self.sample_every, "sample_every", "steps between sample grids; 0: none");
    field(self.sample_count, "sample_count", "images of a sample grid, > 0");
    field(self.fisher_every, "fisher_every", "steps between Fisher tables; 0: none");
    field(self.tensorboard, "tensorboard", "write event files for TensorBoard too");
    field(self.resident, "resident",
          "keep the training images in the memory of run.device; auto: on a GPU, up to 8 GB");
    field(self.graph, "graph",
          "on a GPU, record the gradient of a training step and replay it (CUDA graph)");
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
