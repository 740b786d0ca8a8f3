#include "curvature/curvature_fit.h"

#include <torch/nn.h>

#include <cmath>

#include "core/preconditioning.h"
#include "models/layers/convolution.h"
#include "models/layers/linear.h"
#include "tests/support/catch.h"
#include "tests/support/formed_fisher.h"
#include "tests/support/relative_error.h"
#include "tests/support/small_networks.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

/// A denoiser from any function of x.
class FunctionDenoiser final : public Denoiser {
 public:
  explicit FunctionDenoiser(std::function<torch::Tensor(const torch::Tensor&)> f)
      : f_(std::move(f)) {}
  torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor&) override { return f_(x); }

 private:
  std::function<torch::Tensor(const torch::Tensor&)> f_;
};

/// Images of independent pixels; tau is the same for all, or anew for each.
RegressionBatch images(at::IntArrayRef shape, bool same_tau) {
  auto rng = make_generator(2, "images");
  const auto x = torch::randn(shape, rng, torch::kFloat64);
  const auto tau = torch::rand({shape[0]}, rng, torch::kFloat64) + 0.5;
  return {x, x, tau, same_tau ? torch::full_like(tau, 0.7) : tau};
}

template <class Module>
Module in_double(Module module) {
  module->to(torch::kFloat64);
  randomise(*module, 3);
  return module;
}

Curvature fit(Denoiser& denoiser, const ParameterSpace& space, const RegressionBatch& batch,
              CurvatureKind kind, WeightSharing sharing = WeightSharing::expand) {
  auto rng = make_generator(4, "targets");
  return fit_curvature(
      denoiser, space, {.kind = kind, .sharing = sharing, .targets = FisherTargets::every},
      [&](int64_t) { return batch; }, 1, rng);
}

/// Two fully connected layers, whose second derivative is not 0 if `bent`.
struct Pair {
  explicit Pair(bool is_bent) : bent(is_bent) {
    module->push_back(first);
    module->push_back(second);
    in_double(module);
  }
  torch::Tensor operator()(const torch::Tensor& x) {
    const auto h = first->forward(x.flatten(1));
    return second->forward(bent ? torch::silu(h) : h).view(x.sizes());
  }
  bool bent;
  Linear first{3, 4}, second{4, 3};
  torch::nn::ModuleList module;
};

}  // namespace

TEST_CASE("the exact form is the Fisher matrix of every layer", "[curvature][oracle]") {
  const std::string name = GENERATE("mlp", "unet");
  const auto network = name == "mlp" ? small_network("mlp") : nullptr;
  // A network of thousands of parameters would take a matrix of millions: layers like the U-Net's.
  Convolution conv1(1, 2, 3, 2, 1), conv2(2, 1, 3, 1, 1);
  const torch::nn::GroupNorm norm(1, 2);
  torch::nn::ModuleList layers(conv1, norm, conv2);
  in_double(layers);
  FunctionDenoiser convolutions([&](const torch::Tensor& x) {
    auto h = torch::silu(torch::group_norm(conv1->forward(x), 1, norm->weight, norm->bias));
    return conv2->forward(torch::upsample_nearest2d(h, x.sizes().slice(2)));
  });
  const auto preconditioning = make_preconditioning({.name = "edm", .sigma_data = 0.5});
  std::unique_ptr<PreconditionedDenoiser> wrapped;
  if (network) wrapped = std::make_unique<PreconditionedDenoiser>(*network, *preconditioning);
  Denoiser& denoiser = wrapped ? static_cast<Denoiser&>(*wrapped) : convolutions;
  const auto shape = small_shape();
  const auto batch = network ? images({1, shape.channels, shape.height, shape.width}, false)
                             : images({3, 1, 4, 6}, false);
  const ParameterSpace space(network ? static_cast<torch::nn::Module&>(*network) : *layers);
  auto rng = make_generator(4, "targets");
  const auto curvature = fit_curvature(
      denoiser, space,
      {.kind = CurvatureKind::exact, .targets = FisherTargets::every, .exact_limit = 4096},
      [&](int64_t) { return batch; }, 1, rng);
  const auto v = torch::randn({space.dim()}, rng, torch::kFloat64);
  for (const auto& block : curvature.blocks()) {
    auto within = torch::zeros_like(v);
    for (const auto i : block.tensors) {
      const auto& place = space.blocks()[static_cast<size_t>(i)];
      within.narrow(0, place.begin, place.count) = v.narrow(0, place.begin, place.count);
    }
    const auto want = ParameterJacobian(denoiser, space, batch).fisher_product(within);
    const auto product = curvature.matvec(within);
    for (const auto i : block.tensors) {
      const auto& place = space.blocks()[static_cast<size_t>(i)];
      INFO(place.name);
      CHECK(relative_error(product.narrow(0, place.begin, place.count),
                           want.narrow(0, place.begin, place.count)) < 1e-9);
    }
  }
}

TEST_CASE("diagonal, exact blocks and EKFAC's trace are the formed matrix's; K-FAC's is not",
          "[curvature][oracle]") {
  Pair pair(/*bent=*/true);
  FunctionDenoiser denoiser(pair);
  const ParameterSpace space(*pair.module);
  const auto batch = images({5, 1, 1, 3}, false);
  const auto fisher = formed_fisher(denoiser, space, batch);
  const auto diagonal = fit(denoiser, space, batch, CurvatureKind::diagonal);
  CHECK(relative_error(formed(diagonal), torch::diag(fisher.diag())) < 1e-12);

  const auto exact = fit(denoiser, space, batch, CurvatureKind::exact);
  const auto blocks = block_diagonal(fisher, exact);
  CHECK(relative_error(formed(exact), blocks) < 1e-12);

  const auto kfac = fit(denoiser, space, batch, CurvatureKind::kfac);
  const auto ekfac = fit(denoiser, space, batch, CurvatureKind::ekfac);
  const double trace = fisher.trace().item<double>();
  CHECK_THAT(ekfac.trace(), WithinRel(trace, 1e-12));
  CHECK(std::abs(kfac.trace() / trace - 1) > 1e-3);
  // EKFAC's eigenvalues are the best for K-FAC's eigenvectors: Pythagoras.
  const auto distance = [&](const Curvature& found) { return (formed(found) - blocks).norm(); };
  auto apart = torch::zeros({}, torch::kFloat64);
  for (size_t i = 0; i < kfac.blocks().size(); ++i) {
    apart += (kfac.blocks()[i].eigenvalues - ekfac.blocks()[i].eigenvalues).square().sum();
  }
  const double legs = (distance(ekfac).square() + apart).sqrt().item<double>();
  CHECK_THAT(distance(kfac).item<double>(), WithinRel(legs, 1e-10));
  CHECK(distance(kfac).item<double>() < 0.5 * blocks.norm().item<double>());
}

TEST_CASE("K-FAC is exact for the layers of a deep linear network, and for one sample",
          "[curvature][oracle]") {
  const bool bent = GENERATE(false, true);
  Pair pair(bent);
  FunctionDenoiser denoiser(pair);
  const ParameterSpace space(*pair.module);
  const auto batch = images({bent ? 1 : 5, 1, 1, 3}, /*same_tau=*/true);
  const auto fisher = formed_fisher(denoiser, space, batch);
  for (const auto kind : {CurvatureKind::kfac, CurvatureKind::ekfac}) {
    for (const auto sharing : {WeightSharing::expand, WeightSharing::reduce}) {
      const auto curvature = fit(denoiser, space, batch, kind, sharing);
      CHECK(relative_error(formed(curvature), block_diagonal(fisher, curvature)) < 1e-11);
    }
  }
}

TEST_CASE("K-FAC is off by its known share where inputs and spreads go together",
          "[curvature][oracle]") {
  Linear layer(1, 1);
  in_double(layer);
  FunctionDenoiser denoiser(
      [&](const torch::Tensor& x) { return layer->forward(x.flatten(1)).view(x.sizes()); });
  const ParameterSpace space(*layer);
  // x = 1, 2 with tau = 1, 1/2: E x^2 / tau^2 = (1 + 16) / 2 against E x^2 E 1 / tau^2 = 5/2 5/2.
  const auto x = torch::tensor({1.0, 2.0}, torch::kFloat64).view({2, 1, 1, 1});
  const auto tau = torch::tensor({1.0, 0.5}, torch::kFloat64);
  const RegressionBatch batch = {x, x, tau, tau};
  const auto weight = [&](CurvatureKind kind) {
    return formed(fit(denoiser, space, batch, kind))[0][0].item<double>();
  };
  CHECK_THAT(weight(CurvatureKind::exact), WithinRel(8.5, 1e-12));
  CHECK_THAT(weight(CurvatureKind::diagonal), WithinRel(8.5, 1e-12));
  CHECK_THAT(weight(CurvatureKind::kfac), WithinRel(6.25, 1e-12));
}

TEST_CASE("expand is exact for a last convolution, reduce where only the mean over places counts",
          "[curvature][oracle]") {
  const auto sharing = GENERATE(WeightSharing::expand, WeightSharing::reduce);
  const int64_t size = GENERATE(1, 3);
  auto layer = in_double(Convolution(2, 2, size, 1, size / 2));
  FunctionDenoiser denoiser([&](const torch::Tensor& x) {
    const auto y = layer->forward(x);
    return sharing == WeightSharing::expand ? y : y.mean({2, 3}, /*keepdim=*/true).expand_as(x);
  });
  const ParameterSpace space(*layer);
  const auto batch = images({4, 2, 3, 4}, /*same_tau=*/true);
  const auto fisher = formed_fisher(denoiser, space, batch);
  const auto error = [&](WeightSharing as) {
    return relative_error(formed(fit(denoiser, space, batch, CurvatureKind::kfac, as)), fisher);
  };
  const auto other =
      sharing == WeightSharing::expand ? WeightSharing::reduce : WeightSharing::expand;
  CHECK(error(sharing) < 1e-12);
  CHECK(error(other) > 0.1);
}

TEST_CASE("sampled targets give every form without bias", "[curvature][oracle]") {
  const auto kind = GENERATE(CurvatureKind::diagonal, CurvatureKind::kfac, CurvatureKind::ekfac,
                             CurvatureKind::exact);
  Pair pair(/*bent=*/true);
  FunctionDenoiser denoiser(pair);
  const ParameterSpace space(*pair.module);
  const auto batch = images({5, 1, 1, 3}, false);
  // EKFAC's eigenvectors are of other samples than its eigenvalues: only its trace is without bias.
  const auto figures = [&](const Curvature& curvature) {
    return kind == CurvatureKind::ekfac ? torch::tensor({curvature.trace()}, torch::kFloat64)
                                        : formed(curvature).diag();
  };
  const auto want = figures(fit(denoiser, space, batch, kind));
  constexpr int kRuns = 100;
  std::vector<torch::Tensor> found;
  for (int i = 0; i < kRuns; ++i) {
    auto rng = make_generator(5, "targets", i);
    found.push_back(figures(fit_curvature(
        denoiser, space, {.kind = kind}, [&](int64_t) { return batch; }, 8, rng)));
  }
  const auto all = torch::stack(found);
  const auto z = (all.mean(0) - want) / (all.std(0) / std::sqrt(static_cast<double>(kRuns)));
  CHECK(z.abs().max().item<double>() < 4);
}
