#include "core/guided_denoiser.h"

#include <cmath>
#include <limits>

#include "core/require.h"
#include "core/torch.h"

namespace halcyon {
namespace {

/// Of the numbers of each sample, to be broadcast over them.
torch::Tensor spread(const torch::Tensor& images) {
  const auto values = images.flatten(1).to(torch::kFloat64);
  const auto deviation = (values - values.mean(1, /*keepdim=*/true)).square().mean(1).sqrt();
  return per_sample(deviation, images);
}

}  // namespace

torch::Tensor TwoDenoisers::strong(const torch::Tensor& x, const torch::Tensor& sigma) {
  return strong_.denoise(x, sigma);
}

DenoiserPair::Denoised TwoDenoisers::both(const torch::Tensor& x, const torch::Tensor& sigma) {
  return {strong_.denoise(x, sigma), weak_.denoise(x, sigma)};
}

WithAndWithoutClass::WithAndWithoutClass(ScoreNetwork& network,
                                         const Preconditioning& preconditioning, int64_t label)
    : network_(network), preconditioning_(preconditioning), label_(label) {
  TORCH_CHECK(0 <= label && label < network.num_classes(), "class ", label, " of a network of ",
              network.num_classes());
}

/// The last `without` of the batch without their class.
torch::Tensor WithAndWithoutClass::denoise(const torch::Tensor& x, const torch::Tensor& sigma,
                                           int64_t without) {
  const auto options = torch::TensorOptions(torch::kInt64).device(x.device());
  const auto labels = torch::cat({torch::full({x.size(0) - without}, label_, options),
                                  torch::full({without}, network_.num_classes(), options)});
  return PreconditionedDenoiser(network_, preconditioning_, labels).denoise(x, sigma);
}

torch::Tensor WithAndWithoutClass::strong(const torch::Tensor& x, const torch::Tensor& sigma) {
  return denoise(x, sigma, /*without=*/0);
}

DenoiserPair::Denoised WithAndWithoutClass::both(const torch::Tensor& x,
                                                 const torch::Tensor& sigma) {
  const auto denoised =
      denoise(torch::cat({x, x}), torch::cat({sigma, sigma}), /*without=*/x.size(0));
  return {denoised.narrow(0, 0, x.size(0)), denoised.narrow(0, x.size(0), x.size(0))};
}

GuidedDenoiser::GuidedDenoiser(DenoiserPair& pair, const GuidanceOptions& options)
    : pair_(pair), options_(options) {
  require_option(std::isfinite(options.weight), "guidance.weight", "a finite number",
                 options.weight);
  require_option(options.low >= 0 && std::isfinite(options.low), "guidance.low", "a number >= 0",
                 options.low);
  require_option(options.high == 0 || options.high >= options.low, "guidance.high",
                 "0, or a number >= guidance.low", options.high);
  require_option(0 <= options.rescale && options.rescale <= 1, "guidance.rescale",
                 "a number in [0, 1]", options.rescale);
  if (options_.high == 0) options_.high = std::numeric_limits<double>::infinity();
}

torch::Tensor GuidedDenoiser::guided(const DenoiserPair::Denoised& denoised) const {
  const auto& [strong, weak] = denoised;
  const auto guided = weak + options_.weight * (strong - weak);
  if (options_.rescale == 0) return guided;
  // A constant image has no spread to put back.
  const auto own = spread(guided);
  const auto factor = torch::where(own > 0, spread(strong) / own, torch::ones_like(own));
  return guided * (1 - options_.rescale + options_.rescale * factor).to(guided.scalar_type());
}

torch::Tensor GuidedDenoiser::denoise(const torch::Tensor& x, const torch::Tensor& sigma) {
  const auto inside = (sigma >= options_.low).logical_and(sigma <= options_.high);
  if (options_.weight == 1 || !inside.any().item<bool>()) return pair_.strong(x, sigma);
  ++second_evaluations_;
  const auto denoised = pair_.both(x, sigma);
  return torch::where(per_sample(inside, x), guided(denoised), denoised.strong);
}

}  // namespace halcyon
