#include <torch/nn.h>

#include <complex>

#include "core/random.h"
#include "models/layers/convolution.h"
#include "models/layers/linear.h"
#include "tests/support/catch.h"
#include "tests/support/relative_error.h"
#include "training/muon.h"
#include "training/sgd.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("descent with momentum in a parabola is a sum of two powers",
          "[training][optimizer][oracle]") {
  // x_n+1 = (1 + m - r a) x_n - m x_n-1: the roots z of z^2 - (1 + m - r a) z + m say how it goes.
  const double a = GENERATE(0.3, 2.0);  // two real roots; two complex ones
  const double m = 0.5, rate = 0.2, start = 3;
  OptimizerOptions options;
  options.momentum = m;
  const auto x = torch::full({1}, start, torch::kFloat64);
  Sgd sgd(x);
  for (int64_t step = 1; step <= 25; ++step) sgd.update({x, a * x, rate, step}, options);

  const std::complex<double> half = (1 + m - rate * a) / 2;
  const auto spread = std::sqrt(half * half - m);
  const auto z1 = half + spread, z2 = half - spread;
  const double first = start * (1 - rate * a);  // x_1
  const auto c1 = (first - start * z2) / (z1 - z2);
  const auto want = c1 * std::pow(z1, 25) + (start - c1) * std::pow(z2, 25);
  CHECK_THAT(x.item<double>(), WithinRel(want.real(), 1e-11));
}

TEST_CASE("an orthogonalised matrix has the singular vectors and singular values near 1",
          "[training][optimizer][oracle]") {
  const int64_t rows = GENERATE(5, 12);
  auto rng = make_generator(2, "test");
  const auto random = torch::randn({rows, 7}, rng, torch::kFloat64);
  const auto [u, s, v] = torch::linalg_svd(random, /*full_matrices=*/false);
  // Singular values over two decades.
  const auto values = torch::logspace(0, -2, s.size(0), 10, torch::kFloat64);
  const auto x = orthogonalised(u.matmul(torch::diag(values)).matmul(v), 5);
  const auto inner = u.t().matmul(x).matmul(v.t());
  CHECK((inner - torch::diag(inner.diag())).abs().max().item<double>() < 1e-12);
  CHECK(inner.diag().min().item<double>() > 0.68);
  CHECK(inner.diag().max().item<double>() < 1.21);
}

TEST_CASE("Muon moves matrices of layers by orthogonal steps and the rest as AdamW does",
          "[training][optimizer][oracle]") {
  torch::nn::ModuleList net(Linear(6, 4), Convolution(3, 5, 3, 1, 1), torch::nn::Embedding(4, 3));
  net->to(torch::kFloat64);
  FlatParameters parameters(*net);
  Muon muon(*net, parameters);
  AdamW adamw(parameters.values());
  const auto start = parameters.values().clone();
  const auto twin = start.clone();
  OptimizerOptions options;
  for (int64_t step = 1; step <= 3; ++step) {
    auto rng = make_generator(7, "gradient", step);
    const auto gradient = torch::randn(start.sizes(), rng, torch::kFloat64);
    const auto before = parameters.values().clone();
    muon.update({parameters.values(), gradient, 0.01, step}, options);
    adamw.update({twin, gradient, 0.01, step}, options);
    const auto moved = parameters.views((before - parameters.values()) / 0.01);
    for (const auto& [name, step_of] : moved) {
      INFO(name);
      const bool matrix = name == "0.weight" || name == "1.weight";
      const auto reference = parameters.views(twin).at(name);
      CHECK((relative_error(parameters.views(parameters.values()).at(name), reference) < 1e-14) !=
            matrix);
      if (!matrix) continue;
      const auto flat = step_of.reshape({step_of.size(0), -1});
      const double scale =
          0.2 * std::sqrt(static_cast<double>(std::max(flat.size(0), flat.size(1))));
      const auto values = torch::linalg_svdvals(flat) / scale;
      CHECK(values.min().item<double>() > 0.68);
      CHECK(values.max().item<double>() < 1.21);
    }
  }
}
