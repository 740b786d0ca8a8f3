#include "core/linear_operator.h"

#include <functional>
#include <memory>

#include "core/error.h"
#include "core/random.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const std::vector<int64_t> kShape = {3, 4, 6};
constexpr int64_t kDim = 3 * 4 * 6;

/// An operator, and the same map written down directly.
struct Case {
  const char* name;
  std::unique_ptr<LinearOperator> measure;
  std::function<torch::Tensor(const torch::Tensor&)> direct;
};

torch::Tensor every_third_pixel() { return (torch::arange(kDim) % 3 == 1).reshape({3, 4, 6}); }

/// The convolution with a Gaussian of 0.7 pixels, summed over shifts of the torus.
torch::Tensor blurred(const torch::Tensor& x) {
  auto sum = torch::zeros_like(x);
  double total = 0;
  for (int64_t i = -12; i <= 12; ++i) {
    for (int64_t j = -12; j <= 12; ++j) {
      const double weight = std::exp(-static_cast<double>(i * i + j * j) / (2 * 0.7 * 0.7));
      sum += weight * x.roll({i, j}, {2, 3});
      total += weight;
    }
  }
  return sum / total;
}

std::vector<Case> cases() {
  std::vector<Case> all;
  all.push_back(
      {"mask", std::make_unique<MaskOperator>(every_third_pixel()), [](const torch::Tensor& x) {
         return x.masked_select(every_third_pixel()).reshape({x.size(0), -1});
       }});
  all.push_back({"pooling", std::make_unique<PoolingOperator>(kShape, 2),
                 [](const torch::Tensor& x) { return torch::avg_pool2d(x, 2); }});
  all.push_back({"channel mean", std::make_unique<ChannelMeanOperator>(kShape),
                 [](const torch::Tensor& x) { return x.mean(1, /*keepdim=*/true); }});
  all.push_back({"blur", std::make_unique<BlurOperator>(kShape, 0.7), blurred});
  return all;
}

torch::Tensor images(int64_t count) {
  auto rng = make_generator(1, "images");
  return torch::randn({count, 3, 4, 6}, rng, torch::kFloat64);
}

/// [d, d]: the images of which each has one pixel of 1.
torch::Tensor unit_images() { return torch::eye(kDim, torch::kFloat64).reshape({kDim, 3, 4, 6}); }

double largest(const torch::Tensor& difference) { return difference.abs().max().item<double>(); }

}  // namespace

TEST_CASE("linear operators are the maps that they name", "[core][operator][oracle]") {
  const auto x = images(5);
  for (const auto& [name, measure, direct] : cases()) {
    INFO(name);
    const auto y = measure->apply(x);
    CHECK(y.sizes() == direct(x).sizes());
    CHECK(y[0].numel() == measure->measurement_size());
    CHECK(largest(y - direct(x)) < 1e-12);
  }
}

TEST_CASE("transposes and pseudo-inverses keep their identities", "[core][operator][oracle]") {
  auto rng = make_generator(2, "measurements");
  const auto x = images(4);
  for (const auto& [name, measure, direct] : cases()) {
    INFO(name);
    const auto y = torch::randn(direct(x).sizes(), rng, torch::kFloat64);
    const auto through = (direct(x) * y).sum() - (x * measure->transpose(y)).sum();
    CHECK(std::abs(through.item<double>()) < 1e-12);
    const auto kept = measure->apply(x);
    CHECK(largest(measure->apply(measure->pseudo_inverse(kept)) - kept) < 1e-11);
    const auto least = measure->pseudo_inverse(y);
    CHECK(largest(measure->pseudo_inverse(measure->apply(least)) - least) < 1e-9);
    CHECK(largest(measure->from_singular(measure->to_singular(x)) - x) < 1e-12);
    CHECK(largest(measure->from_measured(measure->measured(y)) - y) < 1e-12);
  }
}

TEST_CASE("singular values are those of the explicit matrix", "[core][operator][oracle]") {
  for (const auto& [name, measure, direct] : cases()) {
    INFO(name);
    const auto matrix = direct(unit_images()).flatten(1).t();  // [m, d]
    const auto want = torch::linalg_svdvals(matrix);
    const auto got = std::get<0>(measure->singular_values(matrix).sort(0, /*descending=*/true));
    CHECK(largest(got.narrow(0, 0, want.size(0)) - want) < 1e-12);
    CHECK(largest(got.narrow(0, want.size(0), kDim - want.size(0)).sum()) == 0);
    const auto basis = measure->to_singular(unit_images());
    CHECK(largest(basis.matmul(basis.t()) - torch::eye(kDim, torch::kFloat64)) < 1e-12);
  }
}

TEST_CASE("what a blur leaves hardly anything of counts as lost", "[core][operator][oracle]") {
  const BlurOperator blur({1, 8, 8}, 2.5);
  auto rng = make_generator(3, "measurements");
  const auto y = torch::randn({2, 1, 8, 8}, rng, torch::kFloat64);
  const auto s = blur.singular_values(y);
  const auto lost = s == 0;
  CHECK(lost.any().item<bool>());
  CHECK((s > 0).logical_and(s < 1e-5).sum().item<int64_t>() == 0);
  const auto restored = blur.to_singular(blur.pseudo_inverse(y)).masked_select(lost);
  CHECK(largest(restored) < 1e-6);  // of numbers up to 1e5
}

TEST_CASE("operators that do not fit are refused", "[core][operator][error]") {
  CHECK_THROWS_WITH(PoolingOperator(kShape, 4), Contains("superresolve.factor"));
  CHECK_THROWS_AS(PoolingOperator(kShape, 0), ConfigError);
  CHECK_THROWS_WITH(BlurOperator(kShape, 0), Contains("deblur.width"));
  CHECK_THROWS_WITH(MaskOperator(torch::zeros({1, 2, 2}, torch::kBool)), Contains("inpaint.mask"));
}
