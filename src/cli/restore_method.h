#pragma once

#include <memory>
#include <string>

#include "core/posterior_denoiser.h"
#include "samplers/ddrm.h"
#include "samplers/registry.h"
#include "samplers/repaint.h"

namespace halcyon {

struct DpsOptions {
  double zeta = 1;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.zeta, "zeta",
          "step, in units of the likelihood at the expected residual, > 0 (dps)");
  }
};

/// What the covariance of x_0 given x is taken for.
enum class CovarianceChoice { isotropic, data };

inline constexpr std::array<std::pair<CovarianceChoice, const char*>, 2> enum_names(
    CovarianceChoice) {
  return {{{CovarianceChoice::isotropic, "isotropic"}, {CovarianceChoice::data, "data"}}};
}

struct PigdmOptions {
  CovarianceChoice covariance = CovarianceChoice::isotropic;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.covariance, "covariance",
          "of x_0 given x: isotropic, or as for Gaussian data of the training images' covariance "
          "(pigdm)");
  }
};

struct RestoreMethodOptions {
  DpsOptions dps;
  PigdmOptions pigdm;
  DdrmOptions ddrm;
  RepaintOptions repaint;

  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("dps", self.dps);
    section("pigdm", self.pigdm);
    section("ddrm", self.ddrm);
    section("repaint", self.repaint);
  }
};

/// What a method is told of the problem.
struct RestoreProblem {
  const LinearOperator& measure;
  double noise;              ///< S
  double variance;           ///< of the data, per number
  torch::Tensor covariance;  ///< of the data, [d, d]; undefined unless it is asked for
};

/// A way to draw from p(x_0 | y).
class RestoreMethod {
 public:
  virtual ~RestoreMethod() = default;
  /// Draws first .. first + B - 1 of `seed`, of the measurements y [B, ...]: images.
  virtual torch::Tensor draw(Denoiser& denoiser, const torch::Tensor& y,
                             const std::vector<double>& sigmas, uint64_t seed,
                             int64_t first) const = 0;
};

struct RestoreMethodEntry {
  const char* name;     ///< as written after --method
  const char* summary;  ///< one line, for `halcyon list methods`
  bool takes_sampler;   ///< works with any, and so reads sampler.name
  std::unique_ptr<RestoreMethod> (*make)(const RestoreMethodOptions&, const SamplerOptions&,
                                         const RestoreProblem&);
};

/// Every method there is, in the order they are listed to users.
const std::vector<RestoreMethodEntry>& restore_methods();

/// Whether `name` works with any sampler, and so reads sampler.name.
/// @throws ConfigError for an unknown method, with the nearest.
bool takes_sampler(const std::string& name);

/// @throws ConfigError for an unknown method, options out of range, or an operator that the method
/// cannot do.  The operator of `problem` must outlive it.
std::unique_ptr<RestoreMethod> make_method(const std::string& name,
                                           const RestoreMethodOptions& options,
                                           const SamplerOptions& sampler,
                                           const RestoreProblem& problem);

}  // namespace halcyon
