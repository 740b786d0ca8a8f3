#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "curvature/fisher_targets.h"
#include "curvature/kronecker_factors.h"

namespace halcyon {

enum class LearningRateDecay { constant, cosine };

inline constexpr std::array<std::pair<LearningRateDecay, const char*>, 2> enum_names(
    LearningRateDecay) {
  return {{{LearningRateDecay::constant, "constant"}, {LearningRateDecay::cosine, "cosine"}}};
}

enum class DampingRule { fixed, levenberg_marquardt };

inline constexpr std::array<std::pair<DampingRule, const char*>, 2> enum_names(DampingRule) {
  return {
      {{DampingRule::fixed, "fixed"}, {DampingRule::levenberg_marquardt, "levenberg_marquardt"}}};
}

/// Of kfac and ekfac.
struct NaturalOptions {
  double damping = 0.01;
  DampingRule damping_rule = DampingRule::fixed;
  int64_t factor_every = 5;
  int64_t inverse_every = 50;
  double factor_decay = 0.9;
  double kl_clip = 0.01;
  double momentum = 0.8;
  int64_t images = 16;
  FisherTargets targets = FisherTargets::sampled;
  WeightSharing sharing = WeightSharing::expand;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.damping, "damping",
          "added to every eigenvalue of the Fisher matrix of the loss, > 0; where "
          "levenberg_marquardt begins");
    field(self.damping_rule, "damping_rule",
          "fixed, or levenberg_marquardt: by how much of the fall that it foretold a step brings");
    field(self.factor_every, "factor_every", "steps between measurements of the curvature, > 0");
    field(self.inverse_every, "inverse_every",
          "steps between decompositions of its factors, a multiple of factor_every; more often to "
          "begin with");
    field(self.factor_decay, "factor_decay",
          "share of the earlier measurements that the mean keeps at each, in [0, 1)");
    field(self.kl_clip, "kl_clip",
          "most that a step changes what the network says, as measured, in nats a pixel and "
          "channel; falls as the square of the learning rate's schedule; 0: no limit");
    field(self.momentum, "momentum", "share of its velocity that a step keeps, in [0, 1)");
    field(self.images, "images", "images of a batch that the curvature is measured on, > 0");
    field(self.targets, "targets",
          "what its gradients are of: sampled targets, or every output in turn (small networks)");
    field(self.sharing, "sharing", kSharingHelp);
  }
};

struct OptimizerOptions {
  std::string name = "adamw";
  double learning_rate = 2e-4;
  int64_t warmup_steps = 500;
  LearningRateDecay decay = LearningRateDecay::constant;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double momentum = 0.9;
  int64_t newton_schulz_steps = 5;
  double weight_decay = 0;
  double gradient_clip = 1.0;
  NaturalOptions natural;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.name, "name", "what makes steps of gradients; `halcyon list optimizers` has all");
    field(self.learning_rate, "learning_rate",
          "learning rate after warm-up, > 0; of kfac and ekfac 1 unless given: natural.kl_clip is "
          "the length of a step then");
    field(self.warmup_steps, "warmup_steps", "steps over which the rate rises linearly from 0");
    field(self.decay, "decay", "after warm-up: constant, or cosine to 0 at the last step");
    field(self.beta1, "beta1", "decay of the gradient's running mean (adamw, muon), in [0, 1)");
    field(self.beta2, "beta2", "decay of its running square (adamw, muon), in [0, 1)");
    field(self.epsilon, "epsilon", "added to the root of the running square (adamw, muon), > 0");
    field(self.momentum, "momentum",
          "share of its velocity that a step keeps (sgd, muon), in [0, 1)");
    field(self.newton_schulz_steps, "newton_schulz_steps",
          "iterations that make an update orthogonal (muon), > 0");
    field(self.weight_decay, "weight_decay",
          "decoupled weight decay, per unit learning rate, >= 0");
    field(self.gradient_clip, "gradient_clip",
          "largest norm of the gradient; 0: no clipping; kfac and ekfac have natural.kl_clip");
  }
  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("natural", self.natural);
  }
};

/// @throws ConfigError naming the key unless every option is in its range.
void check_options(const OptimizerOptions& options);

/// The rate of step `step` (from 1) of `total`: linear warm-up, then constant or half a cosine.
double learning_rate(const OptimizerOptions& options, int64_t step, int64_t total);

}  // namespace halcyon
