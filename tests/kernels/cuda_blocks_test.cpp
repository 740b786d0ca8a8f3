// The CUDA kernels' own source, its blocks of threads run one by one on the CPU.
#include "core/torch.h"
#include "kernels/attention.h"
#include "kernels/cuda/adamw_block.h"
#include "kernels/cuda/dropout_block.h"
#include "kernels/cuda/group_norm_block.h"
#include "kernels/cuda/softmax_block.h"
#include "kernels/dropout_loops.h"
#include "kernels/group_norm.h"
#include "tests/kernels/emulated_launch.h"
#include "tests/kernels/group_norm_cases.h"
#include "tests/support/catch.h"
#include "tests/support/relative_error.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

// Not a number, until somebody writes there.
torch::Tensor unwritten(at::IntArrayRef sizes, at::ScalarType type = torch::kFloat32) {
  return torch::full(sizes, std::nan(""), type);
}

template <class T>
T* data(const torch::Tensor& t) {
  return t.defined() ? static_cast<T*>(t.data_ptr()) : nullptr;
}

// Shared memory of a block, as its launch would have it.
struct Shared {
  explicit Shared(int64_t floats) : memory(static_cast<size_t>(floats / 4 + 1)) {
    for (auto& quad : memory) {
      for (auto& v : quad.v) v = std::nanf("");
    }
  }
  float* floats() { return memory.front().v; }
  std::vector<cuda::Quad> memory;
};

struct Normed {
  torch::Tensor y, dx, u, u_xhat, dx_sum;
};

// What the kernels make of x and dy, in memory of channels last.
template <class T>
Normed run_group_norm(const std::vector<torch::Tensor>& t, const GroupNormCase& c,
                      const torch::Tensor& dy, const torch::Tensor& extra, bool last_to_first) {
  const auto& x = t[0];
  const auto mean = unwritten({c.batch, c.groups});
  const auto rstd = unwritten({c.batch, c.groups});
  cuda::GroupNormBatch<T> batch = {};
  batch.images = c.batch;
  batch.chunk = cuda::group_norm_chunk(c.channels, c.channels / c.groups);
  REQUIRE(batch.chunk > 0);
  auto& image = batch.first;
  image.pixels = c.height * c.width;
  image.channels = c.channels;
  image.group_size = c.channels / c.groups;
  image.eps = 1e-6;
  image.activate = c.activate;
  image.x = data<T>(x);
  image.weight = data<float>(t[1]);
  image.bias = data<float>(t[2]);
  image.add = data<float>(t[3]);
  image.scale = data<float>(t[4]);
  image.shift = data<float>(t[5]);
  image.mean = data<float>(mean);
  image.rstd = data<float>(rstd);

  const auto layout = cuda::group_norm_layout(batch.chunk, cuda::kGroupNormThreads);
  const int64_t blocks = c.batch * c.channels / batch.chunk;
  const int64_t means = 2 * batch.chunk / image.group_size;
  EmulatedLaunch launch(layout.lanes * layout.rows, last_to_first);
  const auto sums = unwritten({3, c.batch, c.channels});
  Normed out = {unwritten(x.sizes(), x.scalar_type()).contiguous(at::MemoryFormat::ChannelsLast),
                unwritten(x.sizes(), x.scalar_type()).contiguous(at::MemoryFormat::ChannelsLast),
                sums[0], sums[1], sums[2]};
  Shared shared(cuda::group_norm_shared(layout) + means);
  launch.run(blocks, [&](const EmulatedLaunch::Block& block) {
    cuda::group_norm_forward_block(block, batch, layout, data<T>(out.y), shared.floats());
  });
  const GroupNormSums totals = {data<float>(out.u), data<float>(out.u_xhat),
                                data<float>(out.dx_sum)};
  launch.run(blocks, [&](const EmulatedLaunch::Block& block) {
    cuda::group_norm_backward_block(block, batch, layout, static_cast<const T*>(data<T>(dy)),
                                    static_cast<const T*>(data<T>(extra)), data<T>(out.dx), totals,
                                    shared.floats(),
                                    shared.floats() + cuda::group_norm_shared(layout));
  });
  return out;
}

torch::Tensor channels_last(const torch::Tensor& t, at::ScalarType type) {
  return t.to(type).contiguous(at::MemoryFormat::ChannelsLast);
}

bool all_equal(const Normed& a, const Normed& b) {
  return torch::equal(a.y, b.y) && torch::equal(a.dx, b.dx) && torch::equal(a.u, b.u) &&
         torch::equal(a.u_xhat, b.u_xhat) && torch::equal(a.dx_sum, b.dx_sum);
}

template <class T>
void check_group_norm(const GroupNormCase& c, at::ScalarType type, double rounding) {
  CAPTURE(c.batch, c.channels, c.groups, c.activate, c.add, c.scale_shift, type);
  auto exact = leaves(c);
  for (auto& t : exact) {
    if (t.defined()) t = t.to(type).to(torch::kFloat64);
  }
  const auto like = [&](double scale) {
    return (scale * torch::randn(exact[0].sizes())).to(type).to(torch::kFloat64);
  };
  const auto dy = like(1), extra = like(0.5);
  const auto want = values(group_norm_composed, as(exact, torch::kFloat64, torch::kFloat64), c, dy);

  std::vector<torch::Tensor> in = {channels_last(exact[0], type)};
  for (size_t i = 1; i < exact.size(); ++i) {
    in.push_back(exact[i].defined() ? exact[i].to(torch::kFloat32) : exact[i]);
  }
  const auto run = [&](bool backwards) {
    return run_group_norm<T>(in, c, channels_last(dy, type), channels_last(extra, type), backwards);
  };
  const auto got = run(false);
  CHECK(all_equal(got, run(true)));
  CHECK(relative_error(got.y, want[0]) < rounding);
  CHECK(relative_error(got.dx, want[1] + extra) < rounding);
  const auto outer = c.scale_shift ? 1 + exact[4] : torch::ones_like(got.u);
  CHECK(relative_error((got.u_xhat * outer).sum(0), want[2]) < 2e-6);
  CHECK(relative_error((got.u * outer).sum(0), want[3]) < 2e-6);
  // The norm takes away a mean: where each channel is a group, the sums of dx are 0.
  if (c.add && c.channels > c.groups) CHECK(relative_error(got.dx_sum, want[4]) < 2e-5);
}

}  // namespace

TEST_CASE("blocks of the CUDA group norm compute what float64 does", "[kernels][cuda]") {
  torch::manual_seed(10);
  auto cases = kGroupNormCases;
  cases.push_back({2, 192, 2, 5, 9, true, true, true});    // groups of 96: of no power of two
  cases.push_back({1, 1024, 1, 2, 3, true, true, false});  // one row of threads
  for (const auto& c : cases) {
    check_group_norm<float>(c, torch::kFloat32, 2e-6);
    check_group_norm<simd::BFloat16>(c, torch::kBFloat16, 2e-3);
  }
}

TEST_CASE("the CUDA group norm refuses groups that no block can hold", "[kernels][cuda]") {
  CHECK(cuda::group_norm_chunk(128, 4) == 32);
  CHECK(cuda::group_norm_chunk(1024, 1024) == 1024);
  CHECK(cuda::group_norm_chunk(2048, 2048) == 0);
  CHECK(cuda::group_norm_chunk(160, 10) == 160);
}

TEST_CASE("blocks of the CUDA softmax compute what float64 does", "[kernels][cuda]") {
  torch::manual_seed(11);
  const auto check = [](auto zero, at::ScalarType type, double rounding) {
    using T = decltype(zero);
    for (const int64_t length : {1, 21, 32, 100}) {
      constexpr int64_t kRows = 13;  // two blocks, the second with rows left over
      const auto x = (5 * torch::randn({kRows, length})).to(type);
      const auto gradient = torch::randn({kRows, length}).to(type);
      const auto want = torch::softmax(0.3 * x.to(torch::kFloat64), 1);
      const auto p = x.clone(), g = gradient.clone();
      EmulatedLaunch launch(cuda::kSoftmaxThreads, /*last_to_first=*/length % 2 == 0);
      std::vector<float> shared(cuda::kSoftmaxThreads, std::nanf(""));
      launch.run(2, [&](const EmulatedLaunch::Block& block) {
        cuda::softmax_block(block, data<T>(p), kRows, length, 0.3F, shared.data());
      });
      CAPTURE(length, type);
      CHECK(relative_error(p, want) < rounding);
      launch.run(2, [&](const EmulatedLaunch::Block& block) {
        cuda::softmax_backward_block(block, static_cast<const T*>(data<T>(p)), data<T>(g), kRows,
                                     length, 0.3F, shared.data());
      });
      const auto dp = gradient.to(torch::kFloat64), q = p.to(torch::kFloat64);
      const auto dx = 0.3 * q * (dp - (q * dp).sum(1, /*keepdim=*/true));
      CHECK((g - dx).norm().item<double>() < rounding * (0.3 * q * dp).norm().item<double>());
    }
  };
  check(float(), torch::kFloat32, 1e-6);
  check(simd::BFloat16(), torch::kBFloat16, 3e-3);
}

TEST_CASE("the CUDA dropout drops what the CPU's drops", "[kernels][cuda]") {
  constexpr int64_t kCount = 5003;
  const auto x = torch::randn({kCount});
  const auto want = torch::empty_like(x), got = unwritten({kCount});
  const int64_t seed = 0x123456789abcdef;
  drop(data<float>(x), data<float>(want), 0, kCount, seed, 1U << 30, 1.5F);
  EmulatedLaunch launch(cuda::kDropoutThreads);
  launch.run((kCount + 4 * cuda::kDropoutThreads - 1) / (4 * cuda::kDropoutThreads),
             [&](const EmulatedLaunch::Block& block) {
               cuda::drop_block(block, static_cast<const float*>(data<float>(x)), data<float>(got),
                                kCount, &seed, 1U << 30, 1.5F);
             });
  CHECK(torch::equal(got, want));
}

TEST_CASE("blocks of the CUDA update take AdamW's step", "[kernels][cuda]") {
  torch::manual_seed(12);
  constexpr int64_t kSize = 3 * 1024;
  const auto state = [] { return torch::randn({kSize}); };
  const auto value = state(), mean = state(), square = state().square(), average = state();
  const auto whole = torch::randn({1021}), half = torch::randn({2000}).to(torch::kBFloat16);
  const auto rounded = unwritten({2000}, torch::kBFloat16);
  // A gradient of float32, one of bfloat16 and one that is missing.
  const std::vector<cuda::AdamWPiece> pieces = {
      {whole.data_ptr(), nullptr, 0, 1021, 0},
      {half.data_ptr(), data<simd::BFloat16>(rounded), 1024, 2000, 1},
      {nullptr, nullptr, 3040, 7, 0}};
  auto gradient = torch::zeros({kSize}, torch::kFloat64);
  gradient.narrow(0, 0, 1021).copy_(whole);
  gradient.narrow(0, 1024, 2000).copy_(half);
  const AdamWStep step = {.gradient_scale = 0.5F,
                          .beta1 = 0.9F,
                          .beta2 = 0.99F,
                          .new1 = 0.1F,
                          .new2 = 0.01F,
                          .root_scale = 3.0F,
                          .epsilon = 1e-3F,
                          .rate = 0.02F,
                          .kept = 0.999F,
                          .averages = 1,
                          .new_share = nullptr};
  const auto exact = [](const torch::Tensor& t) { return t.to(torch::kFloat64, false, true); };
  const auto g = 0.5 * gradient;
  const auto want_mean = 0.9F * exact(mean) + 0.1F * g;
  const auto want_square = 0.99F * exact(square) + 0.01F * g.square();
  const auto want =
      0.999F * exact(value) - 0.02F * want_mean / (want_square.sqrt() * 3.0 + double(1e-3F));
  const auto want_average = exact(average) + 0.25 * (want - exact(average));

  cuda::AdamWArrays arrays = {};
  arrays.value = data<float>(value);
  arrays.mean = data<float>(mean);
  arrays.square = data<float>(square);
  arrays.averages[0] = data<float>(average);
  arrays.new_share[0] = 0.25F;
  arrays.step = step;
  EmulatedLaunch launch(cuda::kAdamWThreads);
  const auto squares = unwritten({3}, torch::kFloat64);
  std::vector<double> shared(cuda::kAdamWThreads, std::nan(""));
  launch.run(3, [&](const EmulatedLaunch::Block& block) {
    cuda::sum_of_squares_block(block, pieces.data(), data<double>(squares), shared.data());
    cuda::adamw_block(block, pieces.data(), arrays);
  });
  for (const auto& [begin, count] : {std::pair{0, 1021}, {1024, 2000}, {3040, 7}}) {
    CAPTURE(begin);
    const auto part = [&, b = begin, n = count](const torch::Tensor& t) {
      return t.narrow(0, b, n);
    };
    CHECK(relative_error(part(value), part(want)) < 3e-7);
    CHECK(relative_error(part(mean), part(want_mean)) < 3e-7);
    CHECK(relative_error(part(square), part(want_square)) < 3e-7);
    CHECK(relative_error(part(average), part(want_average)) < 3e-7);
  }
  CHECK(torch::equal(rounded, value.narrow(0, 1024, 2000).to(torch::kBFloat16)));
  CHECK_THAT(squares.sum().item<double>(), WithinRel(gradient.square().sum().item<double>(), 1e-6));
}
