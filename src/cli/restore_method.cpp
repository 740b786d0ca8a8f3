#include "cli/restore_method.h"

#include "core/registry.h"
#include "core/require.h"
#include "core/torch.h"

namespace halcyon {
namespace {

std::vector<int64_t> batch_shape(const LinearOperator& measure, int64_t count) {
  auto shape = measure.image_shape();
  shape.insert(shape.begin(), count);
  return shape;
}

/// Any sampler, with the posterior's denoiser in place of the prior's.
class GuidedMethod final : public RestoreMethod {
 public:
  GuidedMethod(const RestoreProblem& problem, std::unique_ptr<ResidualWeight> weight,
               const SamplerOptions& sampler)
      : measure_(problem.measure), weight_(std::move(weight)), sampler_(make_sampler(sampler)) {}

  torch::Tensor draw(Denoiser& denoiser, const torch::Tensor& y, const std::vector<double>& sigmas,
                     uint64_t seed, int64_t first) const override {
    PosteriorDenoiser posterior(denoiser, measure_, y, *weight_);
    return draw_samples(*sampler_, posterior, batch_shape(measure_, y.size(0)), sigmas, seed, first,
                        y.options());
  }

 private:
  const LinearOperator& measure_;
  std::unique_ptr<ResidualWeight> weight_;
  std::unique_ptr<Sampler> sampler_;
};

/// A sampler of its own, made for each batch of measurements.
template <class SamplerType, class Options>
class SamplerMethod final : public RestoreMethod {
 public:
  SamplerMethod(const RestoreProblem& problem, const Options& options)
      : problem_(problem), options_(options) {
    auto shape = problem.measure.measurement_shape();
    shape.insert(shape.begin(), 1);
    SamplerType(problem.measure, torch::zeros(shape), problem.noise, options);  // or refuses
  }

  torch::Tensor draw(Denoiser& denoiser, const torch::Tensor& y, const std::vector<double>& sigmas,
                     uint64_t seed, int64_t first) const override {
    const SamplerType sampler(problem_.measure, y, problem_.noise, options_);
    return draw_samples(sampler, denoiser, batch_shape(problem_.measure, y.size(0)), sigmas, seed,
                        first, y.options());
  }

 private:
  RestoreProblem problem_;
  Options options_;
};

using Made = std::unique_ptr<RestoreMethod>;

Made make_pigdm(const RestoreMethodOptions& options, const SamplerOptions& sampler,
                const RestoreProblem& problem) {
  const auto& [measure, noise, variance, covariance] = problem;
  std::unique_ptr<ResidualWeight> weight;
  if (options.pigdm.covariance == CovarianceChoice::data) {
    weight = std::make_unique<GaussianWeight>(measure, covariance, noise);
  } else {
    weight = std::make_unique<IsotropicWeight>(measure, variance, noise);
  }
  return std::make_unique<GuidedMethod>(problem, std::move(weight), sampler);
}

Made make_dps(const RestoreMethodOptions& options, const SamplerOptions& sampler,
              const RestoreProblem& problem) {
  require_option(options.dps.zeta > 0, "dps.zeta", "a number > 0", options.dps.zeta);
  return std::make_unique<GuidedMethod>(
      problem,
      std::make_unique<NormWeight>(problem.measure, problem.variance, problem.noise,
                                   options.dps.zeta),
      sampler);
}

Made make_ddrm(const RestoreMethodOptions& options, const SamplerOptions&,
               const RestoreProblem& problem) {
  return std::make_unique<SamplerMethod<DdrmSampler, DdrmOptions>>(problem, options.ddrm);
}

Made make_repaint(const RestoreMethodOptions& options, const SamplerOptions&,
                  const RestoreProblem& problem) {
  return std::make_unique<SamplerMethod<RepaintSampler, RepaintOptions>>(problem, options.repaint);
}

const RestoreMethodEntry& find_method(const std::string& name) {
  return find_entry(restore_methods(), name, "--method");
}

}  // namespace

const std::vector<RestoreMethodEntry>& restore_methods() {
  static const std::vector<RestoreMethodEntry> entries = {
      {"pigdm", "guided by the likelihood of y, with a covariance of x_0 given x: any sampler",
       true, make_pigdm},
      {"dps", "guided by steps of fixed length towards y: any sampler", true, make_dps},
      {"ddrm", "y put in at each level, in singular coordinates: without gradients", false,
       make_ddrm},
      {"repaint", "y put in at each level and walked again, inpaint only: without gradients", false,
       make_repaint},
  };
  return entries;
}

bool takes_sampler(const std::string& name) { return find_method(name).takes_sampler; }

std::unique_ptr<RestoreMethod> make_method(const std::string& name,
                                           const RestoreMethodOptions& options,
                                           const SamplerOptions& sampler,
                                           const RestoreProblem& problem) {
  return find_method(name).make(options, sampler, problem);
}

}  // namespace halcyon
