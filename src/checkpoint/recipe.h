#pragma once

#include <cstdint>

#include "checkpoint/replay_options.h"
#include "core/denoising_loss.h"
#include "core/preconditioning.h"
#include "data/data_options.h"
#include "models/registry.h"
#include "training/ema.h"
#include "training/optimizer_options.h"
#include "training/train_step.h"
#include "training/weight_consolidation.h"

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
  EwcOptions ewc;
  ReplayOptions replay;

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
    section("ewc", self.ewc);
    section("replay", self.replay);
  }
};

}  // namespace halcyon
