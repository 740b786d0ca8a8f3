#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/denoiser.h"
#include "core/process_registry.h"
#include "core/score_network.h"

namespace halcyon {

/// The scalings [B] that make a denoiser of a raw network F (Karras et al. 2022, eq. 7):
///
///     D(x; sigma) = c_skip x + c_out F(c_in x; c_noise)
struct Scaling {
  torch::Tensor c_skip, c_out, c_in, c_noise;
};

/// What a network predicts, and of which noise process, as a value: parametrisations differ in
/// their scalings only.  Immutable.
class Preconditioning {
 public:
  virtual ~Preconditioning() = default;

  /// sigma: [B], > 0.  Each scaling is shaped, typed and placed as sigma.
  virtual Scaling scaling(const torch::Tensor& sigma) const = 0;

  /// The noise levels between which the network is meant to be evaluated.
  virtual double sigma_min() const = 0;
  virtual double sigma_max() const = 0;
};

struct PreconditioningOptions {
  std::string name = "edm";
  double sigma_data = 0;
  NoiseProcessOptions noise = {};

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.name, "name", "what the network predicts: edm, epsilon, v, x0, score or velocity");
    field(self.sigma_data, "sigma_data",
          "standard deviation of the data, in model units (edm); 0: measured from the data");
    NoiseProcessOptions::fields(self.noise, field);
  }
};

struct PreconditioningEntry {
  const char* name;                    ///< as written in configs
  const char* summary;                 ///< one line for `halcyon list preconditionings`
  std::vector<std::string> processes;  ///< the noise processes it goes with, auto's first
  const char* reason;                  ///< why it goes with no other
  std::unique_ptr<Preconditioning> (*make)(const PreconditioningOptions&);
};

/// Every parametrisation the toolkit has, in the order they are listed to users.
const std::vector<PreconditioningEntry>& preconditioning_registry();

/// options.noise with the process that `auto` stands for.
/// @throws ConfigError naming the keys for an unknown name, or a process that the parametrisation
/// does not go with.
NoiseProcessOptions process_options(const PreconditioningOptions& options);

/// @throws ConfigError as process_options() and make_noise_process(), or for a sigma_data that is
/// not > 0.
std::unique_ptr<Preconditioning> make_preconditioning(const PreconditioningOptions& options);

/// A network and its preconditioning as a Denoiser.  `label` goes to the network: [B], or [1] for
/// any batch, or undefined.
class PreconditionedDenoiser final : public Denoiser {
 public:
  PreconditionedDenoiser(ScoreNetwork& network, const Preconditioning& preconditioning,
                         torch::Tensor label = {})
      : network_(network), preconditioning_(preconditioning), label_(std::move(label)) {}

  torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor& sigma) override;

 private:
  ScoreNetwork& network_;
  const Preconditioning& preconditioning_;
  torch::Tensor label_;
};

}  // namespace halcyon
