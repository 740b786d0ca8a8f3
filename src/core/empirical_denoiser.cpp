#include "core/empirical_denoiser.h"

#include <cmath>
#include <limits>
#include <numbers>

#include "core/torch.h"

namespace halcyon {
namespace {

constexpr int64_t kRows = 128;           // weighed at once: bounds the [rows, N] tensors
constexpr double kLogitAccuracy = 1e-2;  // wanted of float32, by float32_error()
constexpr double kNegligible = 50;       // exp(-50) of the greatest weight is nothing in float64

/// Bound of the rounding of (x . x_i) / variance in float32, as far as roundings are independent.
double float32_error(const torch::Tensor& x, double longest_image, const torch::Tensor& variance) {
  const double longest = x.norm(2, /*dim=*/1).max().item<double>();
  const double unit = std::numeric_limits<float>::epsilon() / 2;
  return unit * std::sqrt(static_cast<double>(x.size(1))) * longest * longest_image /
         variance.min().item<double>();
}

torch::Tensor logits_of(const torch::Tensor& x, const torch::Tensor& variance,
                        const torch::Tensor& images, const torch::Tensor& half_squares) {
  const auto type = images.scalar_type();
  return (x.to(type).matmul(images.t()) - half_squares.to(type)) / variance.to(type);
}

torch::Tensor variance_of(const torch::Tensor& sigma, const torch::Tensor& like) {
  return sigma.to(like.device(), torch::kFloat64).square().unsqueeze(1);
}

/// map(x, variance) of kRows rows at a time, put together.
template <class Map>
torch::Tensor by_rows(const torch::Tensor& x, const torch::Tensor& variance, const Map& map) {
  std::vector<torch::Tensor> parts;
  for (int64_t first = 0; first < x.size(0); first += kRows) {
    parts.push_back(map(x.slice(0, first, first + kRows), variance.slice(0, first, first + kRows)));
  }
  return torch::cat(parts);
}

}  // namespace

EmpiricalDenoiser::EmpiricalDenoiser(const torch::Tensor& images)
    : images_(images.detach().flatten(1).to(torch::kFloat32).contiguous()) {
  TORCH_CHECK(images.dim() > 1 && images.numel() > 0,
              "EmpiricalDenoiser: want images [N, ...], got ", images.sizes());
  std::vector<torch::Tensor> halves;
  for (const auto& block : images_.split(4096)) {
    halves.push_back(block.to(torch::kFloat64).square().sum(1) / 2);
  }
  half_squares_ = torch::cat(halves);
  longest_ = std::sqrt(2 * half_squares_.max().item<double>());
}

EmpiricalDenoiser::Posterior EmpiricalDenoiser::posterior(const torch::Tensor& x,
                                                          const torch::Tensor& variance) const {
  const double error = float32_error(x.detach(), longest_, variance);
  if (error < kLogitAccuracy && x.scalar_type() != torch::kFloat64) {
    return {logits_of(x, variance, images_, half_squares_), images_};
  }
  torch::Tensor chosen;
  {
    const torch::NoGradGuard no_grad;
    const auto rough = logits_of(x, variance, images_, half_squares_);
    const auto least = rough.amax(1, /*keepdim=*/true) - (kNegligible + 2 * error);
    chosen = (rough < least).logical_not().any(0).nonzero().squeeze(1);  // a nan chooses all
  }
  const auto images = images_.index_select(0, chosen).to(torch::kFloat64);
  return {logits_of(x, variance, images, half_squares_.index_select(0, chosen)), images};
}

torch::Tensor EmpiricalDenoiser::denoise(const torch::Tensor& x, const torch::Tensor& sigma) {
  const auto rows = x.flatten(1).to(images_.device());
  const auto denoised = by_rows(rows, variance_of(sigma, rows), [&](const auto& y, const auto& v) {
    const auto [logits, images] = posterior(y, v);
    return logits.softmax(1).matmul(images).to(x.scalar_type());
  });
  return denoised.view(x.sizes()).to(x.device());
}

torch::Tensor EmpiricalDenoiser::log_density(const torch::Tensor& x,
                                             const torch::Tensor& sigma) const {
  const auto rows = x.flatten(1).to(images_.device());
  const auto variance = variance_of(sigma, rows);
  const auto log_sum = by_rows(rows, variance, [&](const auto& y, const auto& v) {
    return posterior(y, v).logits.to(torch::kFloat64).logsumexp(1);
  });
  const auto v = variance.squeeze(1);
  const auto square = rows.to(torch::kFloat64).square().sum(1);
  const auto normaliser = 0.5 * static_cast<double>(dim()) * (2 * std::numbers::pi * v).log();
  const auto log_density = log_sum - square / (2 * v) - normaliser;
  return (log_density - std::log(static_cast<double>(size()))).to(x.device());
}

}  // namespace halcyon
