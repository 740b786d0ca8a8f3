#include "core/empirical_denoiser.h"
#include "data/toy_distribution.h"
#include "fisher/denoiser_jacobian.h"
#include "tests/fisher/measure.h"

using namespace halcyon;
using namespace halcyon::testing;

// Identities of a true score s = grad log p(x; sigma), F = E[s s^T], J = tr F: each couples numbers
// that come from different code.

namespace {

const auto kDouble = torch::kFloat64;

torch::Tensor rotation(int64_t dim) {
  auto rng = make_generator(1, "test");
  return std::get<0>(torch::linalg_qr(torch::randn({dim, dim}, rng, kDouble)));
}

/// Two unlike Gaussians off the axes, in 4 dimensions.
GaussianMixture rotated_mixture() {
  const auto half = torch::tensor({1.2, -0.4, 0.9, 0.1}, kDouble);
  return {torch::full({2}, 0.5), torch::stack({0.3 - half, 0.3 + half}),
          torch::tensor({1.0, 0.5, 0.25, 0.0}, kDouble), rotation(4)};
}

struct Law {
  const char* name;
  GaussianMixture data;
};

std::vector<Law> laws() {
  std::vector<Law> all = {{"rotated mixture", rotated_mixture()}};
  for (const auto& toy : toy_registry()) all.push_back({toy.name, toy.make()});
  return all;
}

/// df / d ln x at x, to fourth order.
template <class F>
double log_slope(const F& f, double x) {
  const double h = 2e-3;
  const auto at = [&](double steps) { return f(x * std::exp(steps * h)); };
  return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * h);
}

torch::Tensor level(const torch::Tensor& x, double sigma) {
  return torch::full({x.size(0)}, sigma, x.options());
}

/// d s_i / d x_j: [B, d, d].
torch::Tensor score_jacobian(Denoiser& denoiser, const torch::Tensor& x, double sigma) {
  const DenoiserJacobian at(denoiser, x, level(x, sigma));
  const int64_t d = x[0].numel();
  const auto unit = torch::eye(d, kDouble);
  std::vector<torch::Tensor> rows;
  for (int64_t i = 0; i < d; ++i) rows.push_back(at.vjp(unit[i].view_as(x[0]).expand_as(x)));
  return (torch::stack(rows, 1).flatten(2) - unit) / (sigma * sigma);
}

/// Every entry of the mean of samples [N, ...] is that of `exact`, to five of its standard errors.
void require_means(const torch::Tensor& samples, const torch::Tensor& exact) {
  const auto error = samples.std(0) / std::sqrt(static_cast<double>(samples.size(0)));
  const auto distance = (samples.mean(0) - exact).abs();
  INFO("greatest distance " << (distance / error).max().item<double>() << " errors");
  REQUIRE((distance <= 5 * error + 1e-10).all().item<bool>());
}

torch::Tensor outer_products(const torch::Tensor& a, const torch::Tensor& b) {
  return a.unsqueeze(2) * b.unsqueeze(1);
}

}  // namespace

TEST_CASE("entry by entry the score's moments are what its derivatives say",
          "[fisher][oracle][statistical]") {
  auto data = GENERATE(rotated_mixture(), find_toy("toy:gaussian").make());
  const double sigma = GENERATE(0.7, 2.0);
  const double variance = sigma * sigma;
  auto rng = make_generator(2, "test");
  const auto x0 = data.sample(40000, rng);
  const auto x = x0 + sigma * torch::randn(x0.sizes(), rng, kDouble);
  const auto s = score(data, x, level(x, sigma));
  const auto denoised = x + variance * s;
  const auto jacobian = score_jacobian(data, x, sigma);
  const auto map = data.fisher_map(sigma);
  const auto zero = torch::zeros({4, 4}, kDouble);

  // F = E[s s^T] = -E grad s, with the closed form on the diagonal.
  require_means(outer_products(s, s) + jacobian, zero);
  require_means(s.square(), map);
  require_means(-jacobian.diagonal(0, 1, 2), map);
  // E[x s^T] = -I, E[x_0 . s] = -mmse / sigma^2 (Stein 1981).
  require_means(outer_products(x, s), -torch::eye(4, kDouble));
  require_means((x0 * s).sum(1), torch::tensor(-data.mmse(sigma) / variance, kDouble));
  // mmse_i = sigma^2 - sigma^4 F_ii, and mmse = E|x_0|^2 - E|D|^2.
  require_means((x0 - denoised).square(), variance - variance * variance * map);
  require_means((x0.square() - denoised.square()).sum(1), torch::tensor(data.mmse(sigma), kDouble));
  // dJ / d sigma^2 = -E |grad s|_F^2 (Villani 2000).
  const auto info = [&](double v) { return data.fisher_information(std::sqrt(v)); };
  require_means(jacobian.square().sum({1, 2}),
                torch::tensor(-log_slope(info, variance) / variance, kDouble));
  // E Cov[x_0 | x] = sigma^2 E grad D: the errors' covariance is the mean of the Jacobian's.
  require_means(outer_products(x0 - denoised, x0 - denoised) -
                    variance * (torch::eye(4, kDouble) + variance * jacobian),
                zero);
}

TEST_CASE("complete information is observed and missing information, at every point",
          "[fisher][oracle]") {
  auto rng = make_generator(3, "test");
  const auto images = torch::rand({12, 1, 4, 4}, rng) * 2 - 1;
  EmpiricalDenoiser denoiser(images);
  const double sigma = GENERATE(0.4, 1.0, 3.0);
  const double variance = sigma * sigma;
  const auto x0 = images.to(kDouble);
  const auto x = (x0 + sigma * torch::randn(x0.sizes(), rng, kDouble)).requires_grad_(true);

  const auto density = [&](double s) { return denoiser.log_density(x, level(x.detach(), s)); };
  const auto gradient = torch::autograd::grad({density(sigma).sum()}, {x}, {},
                                              /*retain_graph=*/true, /*create_graph=*/true)[0];
  std::vector<torch::Tensor> rows;
  for (int64_t i = 0; i < 16; ++i) {
    const auto entry = gradient.flatten(1).select(1, i).sum();
    rows.push_back(torch::autograd::grad({entry}, {x}, {}, /*retain_graph=*/true)[0].flatten(1));
  }
  const auto hessian = torch::stack(rows, 1);

  const auto points = x0.flatten(1);
  const auto distance = (x.detach().flatten(1).unsqueeze(1) - points).square().sum(2);
  const auto weights = (-distance / (2 * variance)).softmax(1);
  const auto offset = points - weights.matmul(points).unsqueeze(1);
  const auto covariance = torch::einsum("bn,bni,bnj->bij", {weights, offset, offset});
  const auto unit = torch::eye(16, kDouble);
  // I / sigma^2 = -grad^2 log p + Cov[x_0 | x] / sigma^4 (Orchard and Woodbury 1972, Louis 1982).
  REQUIRE(
      torch::allclose(unit / variance, covariance / (variance * variance) - hessian, 1e-9, 1e-9));
  // Cov[x_0 | x] = sigma^2 (I + sigma^2 grad s), which is symmetric and positive semi-definite.
  const auto tweedie = variance * (unit + variance * score_jacobian(denoiser, x.detach(), sigma));
  REQUIRE(torch::allclose(tweedie, covariance, 1e-9, 1e-9));
  REQUIRE(torch::allclose(tweedie, tweedie.transpose(1, 2), 1e-9, 1e-10));
  REQUIRE(torch::linalg_eigvalsh(tweedie, "L").min().item<double>() > -1e-10);
  // d log p / d sigma^2 = (tr grad s + |s|^2) / 2: log p obeys the heat equation.
  const torch::NoGradGuard no_grad;
  const double h = 1e-4 * sigma;
  const auto slope = (density(sigma + h) - density(sigma - h)) / (4 * sigma * h);
  const auto heat = 0.5 * (hessian.diagonal(0, 1, 2).sum(1) + gradient.flatten(1).square().sum(1));
  REQUIRE(torch::allclose(slope, heat, 1e-6, 1e-6));
}

TEST_CASE("entropy and information change with noise as J and the mmse say", "[fisher][oracle]") {
  for (const auto& [name, data] : laws()) {
    const auto d = static_cast<double>(data.dim());
    for (const double sigma : {0.05, 0.2, 0.7, 1.0, 3.0, 20.0}) {
      INFO(name << " at sigma " << sigma);
      const double variance = sigma * sigma;
      const double info = data.fisher_information(sigma);
      const auto entropy = [&, &law = data](double s) { return law.entropy(s); };
      const auto information = [&, &law = data](double s) {
        return law.entropy(s) - d / 2 * std::log(2 * M_PI * M_E * s * s);
      };
      // dh / d ln sigma = sigma^2 J (de Bruijn; Stam 1959).
      REQUIRE_THAT(log_slope(entropy, sigma), WithinAbs(variance * info, 1e-9 * d));
      // dI(x_0; x) / d ln sigma = -mmse / sigma^2 (Guo, Shamai and Verdu 2005).
      REQUIRE_THAT(log_slope(information, sigma),
                   WithinAbs(-data.mmse(sigma) / variance, 1e-9 * d));
      REQUIRE_THAT(data.mmse(sigma), WithinRel(d * variance - variance * variance * info, 1e-9));
      // E |s(x | c) - s(x)|^2 = tr Cov(x | c)^-1 - J = -2 dI(c; x) / d sigma^2.
      const auto of_class = [&, &law = data](double s) { return law.component_information(s); };
      const double within = (data.variances() + variance).reciprocal().sum().item<double>();
      REQUIRE_THAT(-log_slope(of_class, sigma), WithinAbs(variance * (within - info), 1e-9));
    }
  }
}

TEST_CASE("the effective variance grows with noise towards the variance",
          "[fisher][oracle][property]") {
  auto rng = make_generator(4, "test");
  for (const auto& [name, data] : laws()) {
    INFO(name);
    const auto d = static_cast<double>(data.dim());
    double last = 0;
    for (const double sigma : log_spaced_levels(0.01, 100, 40)) {
      const double effective = d / data.fisher_information(sigma) - sigma * sigma;
      REQUIRE(effective >= last - 1e-9 * sigma * sigma);  // the difference cancels
      last = effective;
    }
    const auto means = data.means();
    const double between = (means - means.mean(0)).square().sum(1).mean().item<double>();
    const double variance = (data.variances().sum().item<double>() + between) / d;
    REQUIRE_THAT(last, WithinRel(variance, 0.01));  // v_eff = v - O(v^2 / sigma^2)
  }
}

TEST_CASE("Fisher information and mmse of the mixture keep their bounds in order",
          "[fisher][oracle][property]") {
  const auto data = find_toy("toy:mixture").make();
  const double d = 16, v = 0.25, m2 = 4;  // within, and |m|^2
  const double clean = data.fisher_information(0);
  double info_below = clean, sigma_below = 0;
  for (const double sigma : log_spaced_levels(0.02, 50, 30)) {
    INFO("sigma " << sigma);
    const double s2 = sigma * sigma;
    const double info = data.fisher_information(sigma);
    // Cramer-Rao, isotropic and linear; pure noise.
    const double linear = (d - 1) / (v + s2) + 1 / (v + m2 + s2);
    REQUIRE(d * d / (d * v + m2 + d * s2) <= linear);
    REQUIRE(linear <= info);
    REQUIRE(info <= d / s2);
    // Stam's inequality between levels.
    REQUIRE(1 / info >= 1 / info_below + (s2 - sigma_below * sigma_below) / d - 1e-12 / info);
    // Van Trees.
    const double along = clean - (d - 1) / v;
    const double trees = (d - 1) / (1 / v + 1 / s2) + 1 / (along + 1 / s2);
    REQUIRE(data.mmse(sigma) >= trees * (1 - 1e-12));
    REQUIRE(trees >= d * d / (clean + d / s2) * (1 - 1e-12));
    info_below = info;
    sigma_below = sigma;
  }
}
