#include "models/layers/fir.h"

#include "core/torch.h"
#include "models/layers/resample.h"
#include "tests/support/catch.h"

using namespace halcyon;

namespace {

const auto kDouble = torch::kFloat64;

/// One direction of upfirdn as a matrix, from its definition: `up` - 1 zeros after each of n
/// numbers, then zeros before and after, the convolution with `kernel` where it fits, and every
/// `down`-th number of it.
torch::Tensor upfirdn_matrix(int64_t n, const std::vector<double>& kernel, int64_t up, int64_t down,
                             int64_t before, int64_t after) {
  const auto size = static_cast<int64_t>(kernel.size());
  const int64_t padded = before + up * n + after;
  const int64_t rows = (padded - size) / down + 1;
  auto matrix = torch::zeros({rows, n}, kDouble);
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t tap = 0; tap < size; ++tap) {
      // A convolution runs through its kernel backwards.
      const int64_t at = row * down + size - 1 - tap - before;
      if (at < 0 || at >= up * n || at % up != 0) continue;
      matrix[row][at / up] += kernel[static_cast<size_t>(tap)];
    }
  }
  return matrix;
}

torch::Tensor halving(int64_t n) {
  return upfirdn_matrix(n, {1 / 8., 3 / 8., 3 / 8., 1 / 8.}, 1, 2, 1, 1);
}

torch::Tensor doubling(int64_t n) {
  return upfirdn_matrix(n, {1 / 4., 3 / 4., 3 / 4., 1 / 4.}, 2, 1, 2, 1);
}

torch::Tensor both_ways(const torch::Tensor& rows, const torch::Tensor& x,
                        const torch::Tensor& columns) {
  return rows.matmul(x).matmul(columns.t());
}

}  // namespace

TEST_CASE("FIR resampling is upfirdn with the kernel (1, 3, 3, 1)", "[model][oracle]") {
  const auto x = torch::randn({2, 3, 6, 10}, kDouble).requires_grad_(true);
  const auto check = [&](const torch::Tensor& found, const torch::Tensor& rows,
                         const torch::Tensor& columns) {
    const auto wanted = both_ways(rows, x, columns);
    REQUIRE(found.sizes() == wanted.sizes());
    REQUIRE((found - wanted).abs().max().item<double>() < 1e-14);
    const auto weight = torch::randn(found.sizes(), kDouble);
    const auto gradient = torch::autograd::grad({(weight * found).sum()}, {x})[0];
    const auto transposed = both_ways(rows.t(), weight, columns.t());
    REQUIRE((gradient - transposed).abs().max().item<double>() < 1e-14);
  };
  check(fir_halved(x), halving(6), halving(10));
  check(fir_doubled(x), doubling(6), doubling(10));
  // In the layout that networks work in.
  const auto last = x.detach().to(torch::kFloat32).contiguous(at::MemoryFormat::ChannelsLast);
  REQUIRE(torch::allclose(halved(last, /*fir=*/true).to(kDouble), fir_halved(x), 1e-5, 1e-6));
  REQUIRE(torch::allclose(doubled(last, /*fir=*/true).to(kDouble), fir_doubled(x), 1e-5, 1e-6));
}

TEST_CASE("FIR resampling keeps a constant but at the border", "[model][oracle]") {
  const auto constant = torch::full({1, 2, 8, 8}, 1.75, kDouble);
  for (const auto& y : {fir_halved(constant), fir_doubled(constant)}) {
    const auto inside = y.slice(2, 1, -1).slice(3, 1, -1);
    REQUIRE(torch::equal(inside, torch::full_like(inside, 1.75)));
  }
  // A row of zeros counts for an eighth of a mean, and for a quarter between two pixels.
  REQUIRE(fir_halved(constant)[0][0][0][2].item<double>() == 1.75 * 7 / 8);
  REQUIRE(fir_doubled(constant)[0][0][2][0].item<double>() == 1.75 * 3 / 4);
}

TEST_CASE("FIR resampling keeps the highest frequency out", "[model][oracle]") {
  // Of alternating pixels means keep nothing either; of alternating columns of two they keep all,
  // and the filter half.
  const auto column = torch::arange(16, kDouble);
  const auto fast = (1 - 2 * column.remainder(2)).expand({1, 1, 16, 16});
  const auto slow = (1 - 2 * (column / 2).floor().remainder(2)).expand({1, 1, 16, 16});
  const auto inside = [](const torch::Tensor& x) { return x.slice(2, 1, -1).slice(3, 1, -1); };
  REQUIRE(inside(fir_halved(fast)).abs().max().item<double>() == 0);
  REQUIRE(inside(fir_halved(slow)).abs().max().item<double>() == 0.5);
  REQUIRE(halved(slow, /*fir=*/false).abs().max().item<double>() == 1);
}
