#include "fisher/spectrum.h"

#include <algorithm>
#include <cmath>

#include "core/torch.h"
#include "fisher/denoiser_jacobian.h"
#include "fisher/lanczos.h"

namespace halcyon {
namespace {

/// v -> mean_i A_i^T v, remembering q_l^T A_i q_m of every image and pair of vectors it was given:
/// from these follow the quotients of any vector in their span, image by image.
class MeanJacobian {
 public:
  MeanJacobian(Denoiser& denoiser, const torch::Tensor& x, double sigma,
               const SpectrumOptions& options)
      : denoiser_(denoiser), batches_(x.split(options.batch)), sigma_(sigma) {
    if (!options.keep_graphs) return;
    for (const auto& batch : batches_) kept_.push_back(jacobian(batch));
  }

  /// A_i^T v_i: v [N, ...], result [N, d] float64 on the CPU.
  torch::Tensor products(const torch::Tensor& v) const {
    std::vector<torch::Tensor> parts;
    int64_t begin = 0;
    for (size_t b = 0; b < batches_.size(); ++b) {
      const auto& batch = batches_[b];
      const auto part = v.narrow(0, begin, batch.size(0)).to(batch.device(), batch.scalar_type());
      const auto product = kept_.empty() ? jacobian(batch).vjp(part) : kept_[b].vjp(part);
      parts.push_back(product.flatten(1).to(torch::kCPU, torch::kFloat64));
      begin += batch.size(0);
    }
    return torch::cat(parts);
  }

  torch::Tensor multiply(const torch::Tensor& q) {
    auto shape = batches_[0].sizes().vec();
    shape[0] = -1;
    const auto all = products(q.view({1, -1}).expand({images(), -1}).reshape(shape));
    basis_.push_back(q);
    couplings_.push_back(all.matmul(torch::stack(basis_, 1)));  // [N, m]
    return all.mean(0);
  }

  int64_t images() const {
    int64_t count = 0;
    for (const auto& batch : batches_) count += batch.size(0);
    return count;
  }

  /// [m, d]
  torch::Tensor basis() const { return torch::stack(basis_); }

  /// [N, m, m], symmetric: the part l > m of q_l^T A_i q_m is taken from its mirror image.
  torch::Tensor couplings() const {
    const auto m = static_cast<int64_t>(couplings_.size());
    auto all = torch::zeros({images(), m, m}, torch::kFloat64);
    for (int64_t k = 0; k < m; ++k) {
      const auto& column = couplings_[static_cast<size_t>(k)];
      all.select(2, k).narrow(1, 0, k + 1).copy_(column);
      all.select(1, k).narrow(1, 0, k + 1).copy_(column);
    }
    return all;
  }

 private:
  DenoiserJacobian jacobian(const torch::Tensor& batch) const {
    return {denoiser_, batch, torch::full({batch.size(0)}, sigma_, batch.options())};
  }

  Denoiser& denoiser_;
  std::vector<torch::Tensor> batches_;
  double sigma_;
  std::vector<DenoiserJacobian> kept_;
  std::vector<torch::Tensor> basis_;
  std::vector<torch::Tensor> couplings_;
};

/// tr A_i, averaged: exact within the span of the basis, one Hutchinson probe an image beyond.
Estimate mean_trace(const MeanJacobian& mean, const torch::Tensor& couplings,
                    const torch::Tensor& x, at::Generator& rng) {
  const auto basis = mean.basis();
  const auto signs = torch::zeros({x.size(0), basis.size(1)}, torch::kFloat64);
  auto probe = rademacher_like(signs, rng);
  probe = probe - probe.matmul(basis.t()).matmul(basis);
  const auto beyond = (mean.products(probe.view(x.sizes())) * probe).sum(1);
  SampleMoments moments(1);
  moments.add((couplings.diagonal(0, 1, 2).sum(1) + beyond).unsqueeze(1));
  return moments.mean(0);
}

double score_effective_rank(const torch::Tensor& ritz_values, double trace, int64_t dim) {
  const int64_t beyond = dim - ritz_values.size(0);
  auto spectrum = 1 - ritz_values;
  if (beyond > 0) {
    const double rest = trace - ritz_values.sum().item<double>();
    const auto flat =
        torch::full({beyond}, 1 - rest / static_cast<double>(beyond), torch::kFloat64);
    spectrum = torch::cat({spectrum, flat});
  }
  return effective_rank(spectrum);
}

/// Eigenvectors have no sign of their own: the entry of largest size becomes positive.
torch::Tensor with_fixed_signs(const torch::Tensor& rows) {
  const auto largest = rows.abs().argmax(1, /*keepdim=*/true);
  return rows * rows.gather(1, largest).sign();
}

}  // namespace

DenoiserSpectrum denoiser_spectrum(Denoiser& denoiser, const torch::Tensor& x, double sigma,
                                   const SpectrumOptions& options, at::Generator& rng) {
  const int64_t images = x.size(0), dim = x[0].numel();
  MeanJacobian mean(denoiser, x, sigma, options);
  const auto start = torch::randn({dim}, rng, torch::kFloat64);
  const auto ritz = lanczos([&](const torch::Tensor& q) { return mean.multiply(q); }, start,
                            std::max(options.steps, options.top), rng);
  const auto k = std::min(options.top, ritz.values.size(0));
  const auto vectors = with_fixed_signs(ritz.vectors.narrow(0, 0, k));

  const auto couplings = mean.couplings();
  const auto coordinates = vectors.matmul(mean.basis().t());  // [k, m]
  const auto quotients =                                      // u_j^T A_i u_j: [N, k]
      torch::einsum("jl,ilm,jm->ij", {coordinates, couplings, coordinates});

  auto shape = x.sizes().vec();
  shape[0] = k;
  DenoiserSpectrum out;
  out.sigma = sigma;
  out.images = images;
  out.eigenvalues = ritz.values.narrow(0, 0, k);
  out.eigenvalue_errors = quotients.std(0) / std::sqrt(static_cast<double>(images));
  out.ritz_residuals = ritz.residuals.narrow(0, 0, k);
  out.eigen_images = vectors.view(shape);
  out.smallest = ritz.values[-1].item<double>();
  out.trace = mean_trace(mean, couplings, x, rng);
  out.score_effective_rank = score_effective_rank(ritz.values, out.trace.value, dim);
  return out;
}

double effective_rank(const torch::Tensor& eigenvalues) {
  const auto positive = eigenvalues.to(torch::kFloat64).clamp_min(0);
  const auto p = positive / positive.sum();
  return std::exp(-torch::xlogy(p, p).sum().item<double>());
}

}  // namespace halcyon
