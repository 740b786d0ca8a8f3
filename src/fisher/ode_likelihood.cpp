#include "fisher/ode_likelihood.h"

#include <cmath>

#include "core/require.h"
#include "core/runge_kutta.h"
#include "core/torch.h"
#include "fisher/denoiser_jacobian.h"

namespace halcyon {
namespace {

torch::Tensor inner_product(const torch::Tensor& a, const torch::Tensor& b) {
  return (a * b).flatten(1).sum(1, /*keepdim=*/false, torch::kFloat64);
}

/// The ODE of [x, integral of tr grad D d ln sigma], [B, d + 1] float64, in t = ln sigma.
class FlowWithTrace {
 public:
  FlowWithTrace(Denoiser& denoiser, const torch::Tensor& like, torch::Tensor probe)
      : denoiser_(denoiser), like_(like), probe_(std::move(probe)) {}

  torch::Tensor slope(double log_sigma, const torch::Tensor& state) {
    ++nfe_;
    const auto x = state.narrow(1, 0, state.size(1) - 1).to(like_.scalar_type()).view_as(like_);
    const auto sigma = torch::full({x.size(0)}, std::exp(log_sigma), x.options());
    const DenoiserJacobian jacobian(denoiser_, x, sigma);
    const auto trace = probe_.defined() ? inner_product(jacobian.vjp(probe_), probe_)
                                        : jacobian.exact_trace().to(x.device());
    const auto velocity = (x - jacobian.denoised()).flatten(1).to(torch::kFloat64);
    return torch::cat({velocity, trace.unsqueeze(1)}, 1);
  }

  int64_t nfe() const { return nfe_; }

 private:
  Denoiser& denoiser_;
  torch::Tensor like_;
  torch::Tensor probe_;  // undefined: the exact trace
  int64_t nfe_ = 0;
};

}  // namespace

void check_options(const OdeOptions& o) {
  require_option(o.steps > 0, "ode.steps", "a whole number > 0", o.steps);
  require_option(1e-8 <= o.tolerance && o.tolerance <= 0.1, "ode.tolerance",
                 "a number in 1e-08 .. 0.1 (networks round at 1e-07)", o.tolerance);
}

OdeLikelihood ode_likelihood(Denoiser& denoiser, const torch::Tensor& x,
                             const GaussianMixture& terminal, double sigma_min, double sigma_max,
                             const OdeOptions& options, at::Generator& rng) {
  check_options(options);
  require_option(0 < sigma_min && sigma_min < sigma_max && std::isfinite(sigma_max), "sigma_min",
                 "0 < sigma_min < sigma_max", sigma_min);
  const int64_t dim = x[0].numel();
  const bool exact = options.divergence == Divergence::exact;
  FlowWithTrace flow(denoiser, x, exact ? torch::Tensor() : rademacher_like(x, rng));
  const OdeFunction f = [&](double t, const torch::Tensor& state) { return flow.slope(t, state); };
  const auto start = torch::cat({x.flatten(1), torch::zeros({x.size(0), 1}, x.options())}, 1)
                         .detach()
                         .to(torch::kFloat64);
  const double t0 = std::log(sigma_min);
  const double t1 = std::log(sigma_max);
  const auto end = options.solver == OdeSolver::rk4
                       ? integrate_rk4(f, start, t0, t1, options.steps)
                       : integrate_dopri5(f, start, t0, t1, options.tolerance);
  const auto far = end.narrow(1, 0, dim).to(torch::kCPU);
  const auto trace = end.select(1, dim).to(torch::kCPU);
  const auto sigma = torch::full({x.size(0)}, sigma_max, torch::kFloat64);
  const double expansion = static_cast<double>(dim) * (t1 - t0);
  return {terminal.log_density(far, sigma) + expansion - trace, flow.nfe()};
}

}  // namespace halcyon
