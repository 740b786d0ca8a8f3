#include "fisher/observed_information.h"

#include "core/torch.h"
#include "fisher/denoiser_jacobian.h"

namespace halcyon {

DenoisedTrace denoise_with_trace(Denoiser& denoiser, const torch::Tensor& x,
                                 const torch::Tensor& sigma, int64_t probes, at::Generator& rng) {
  const torch::AutoGradMode grad_mode(probes > 0);
  const auto input = x.detach().requires_grad_(probes > 0);
  const auto denoised = denoiser.denoise(input, sigma);
  torch::Tensor trace;
  for (int64_t k = 0; k < probes; ++k) {
    const auto v = rademacher_like(x, rng);
    const bool retain_graph = k + 1 < probes;
    const auto product = torch::autograd::grad({denoised}, {input}, {v}, retain_graph)[0];
    const auto value = (product * v).flatten(1).sum(1, /*keepdim=*/false, torch::kFloat64);
    trace = trace.defined() ? trace + value : value;
  }
  if (trace.defined()) trace /= static_cast<double>(probes);
  return {denoised.detach(), trace};
}

}  // namespace halcyon
