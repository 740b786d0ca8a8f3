#include "training/step_objective.h"

#include <algorithm>

#include "core/torch.h"
#include "curvature/parameter_space.h"

namespace halcyon {
namespace {

torch::Tensor noisy(const torch::Tensor& x0, const torch::Tensor& sigma,
                    const torch::Tensor& noise) {
  return x0 + per_sample(sigma, x0) * noise;
}

}  // namespace

StepObjective::StepObjective(const Parts& parts, const DrawnBatch& batch, const DenoisingLoss& loss,
                             torch::Tensor dropout)
    : parts_(parts), batch_(batch), loss_(loss), dropout_(std::move(dropout)) {}

double StepObjective::loss() const { return loss_.weighted.mean().item<double>(); }

StepObjective::Now StepObjective::evaluate() const {
  const torch::NoGradGuard no_grad;
  parts_.parameters.refresh_copies();
  const auto present = parts_.dropout.get_state();
  parts_.dropout.set_state(dropout_);
  const auto count = batch_.x0.size(0);
  const int64_t part = count / parts_.accumulate;
  auto loss = torch::zeros({}, batch_.x0.options());
  auto kl = torch::zeros_like(loss);
  for (int64_t begin = 0; begin < count; begin += part) {
    const auto slice = [&](const torch::Tensor& t) {
      return t.defined() ? t.narrow(0, begin, part) : t;
    };
    const auto x0 = slice(batch_.x0);
    const auto sigma = slice(batch_.sigma);
    PreconditionedDenoiser denoiser(parts_.network, parts_.preconditioning, slice(batch_.label));
    const auto denoised = denoiser.denoise(noisy(x0, sigma, slice(loss_.noise)), sigma);
    const auto weighted = [&](const torch::Tensor& difference) {
      const auto error = difference.square().flatten(1).mean(1);
      return (parts_.objective.weighted(error, sigma) * slice(batch_.weight)).sum();
    };
    loss += weighted(denoised - x0);
    kl += weighted(denoised - slice(loss_.denoised));
  }
  parts_.dropout.set_state(present);
  const auto images = static_cast<double>(count);
  return {loss.item<double>() / images, kl.item<double>() / images};
}

torch::Tensor StepObjective::gradient(const torch::Tensor& index) const {
  const ParameterSpace space(parts_.network);
  auto sum = torch::zeros({space.dim()}, batch_.x0.options());
  for (const auto& some : index.split(batch_.x0.size(0) / parts_.accumulate)) {
    const auto chosen = [&](const torch::Tensor& t) {
      return t.defined() ? t.index_select(0, some) : t;
    };
    const auto x0 = chosen(batch_.x0);
    const auto sigma = chosen(batch_.sigma);
    PreconditionedDenoiser denoiser(parts_.network, parts_.preconditioning, chosen(batch_.label));
    const auto denoised = denoiser.denoise(noisy(x0, sigma, chosen(loss_.noise)), sigma);
    const auto error = (denoised - x0).square().flatten(1).mean(1);
    const auto loss = (parts_.objective.weighted(error, sigma) * chosen(batch_.weight)).sum();
    sum += space.flat(torch::autograd::grad({loss}, space.parameters(), /*grad_outputs=*/{},
                                            /*retain_graph=*/false, /*create_graph=*/false,
                                            /*allow_unused=*/true));
  }
  return sum / static_cast<double>(index.size(0));
}

void StepObjective::regress(int64_t count, const See& see) const {
  const auto all = batch_.x0.size(0);
  count = std::min(count, all);
  // The noise levels rise through the batch, or through each part of it.
  const auto index = (torch::arange(count) * all).div(count, "floor").to(batch_.x0.device());
  const auto chosen = [&](const torch::Tensor& t) {
    return t.defined() ? t.index_select(0, index) : t;
  };
  const auto x0 = chosen(batch_.x0);
  const auto sigma = chosen(batch_.sigma);
  const auto weight =
      parts_.objective.weighted(torch::ones_like(sigma), sigma) * chosen(batch_.weight);
  const auto dim = static_cast<double>(x0[0].numel());
  PreconditionedDenoiser denoiser(parts_.network, parts_.preconditioning, chosen(batch_.label));
  see(denoiser, {x0, noisy(x0, sigma, chosen(loss_.noise)), sigma, (2 * weight / dim).rsqrt()});
}

}  // namespace halcyon
