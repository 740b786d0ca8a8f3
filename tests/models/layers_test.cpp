#include "core/random.h"
#include "models/layers/attention.h"
#include "models/layers/dropout.h"
#include "models/layers/noise_embedding.h"
#include "models/layers/resample.h"
#include "models/layers/residual_block.h"
#include "tests/support/catch.h"
#include "tests/support/small_networks.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("dropout draws from its own generator and no other", "[model][property]") {
  const auto x = torch::ones({64});
  Dropout dropout(0.5);
  REQUIRE_THROWS_WITH(dropout.forward(x), Contains("use_generator"));
  dropout.use_generator(make_generator(1, "dropout"));
  const auto first = dropout.forward(x);
  REQUIRE_FALSE(torch::equal(first, dropout.forward(x)));
  dropout.use_generator(make_generator(1, "dropout"));
  torch::manual_seed(99);
  REQUIRE(torch::equal(first, dropout.forward(x)));

  dropout.eval();
  REQUIRE(torch::equal(dropout.forward(x), x));
  REQUIRE(torch::equal(Dropout(0).forward(x), x));
}

TEST_CASE("dropout keeps a fraction 1 - p and the mean", "[model][statistical]") {
  Dropout dropout(0.2);
  dropout.use_generator(make_generator(2, "dropout"));
  const int64_t n = 100000;
  const auto y = dropout.forward(torch::ones({n}, torch::kFloat64));
  const double standard_error = std::sqrt(0.2 / 0.8 / static_cast<double>(n));
  REQUIRE_THAT(y.mean().item<double>(), WithinAbs(1.0, 4 * standard_error));
  REQUIRE_THAT(y.max().item<double>(), WithinRel(1 / 0.8, 1e-12));
}

TEST_CASE("the fourier features of a frequency are its sine and cosine", "[model][oracle]") {
  NoiseEmbeddingOptions options;
  options.kind = NoiseEmbeddingKind::fourier;
  options.width = 2000;
  options.fourier_scale = 3;
  NoiseEmbedding embedding(options);
  const auto frequency = embedding.named_buffers()["frequencies"];
  const auto features = embedding.forward(torch::full({1}, 0.25))[0];
  REQUIRE(torch::allclose(features.slice(0, 0, 1000), (0.25 * frequency).sin(), 1e-6, 1e-6));
  REQUIRE(torch::allclose(features.slice(0, 1000), (0.25 * frequency).cos(), 1e-6, 1e-6));
  const double spread = frequency.std().item<double>() / (2 * M_PI);
  REQUIRE_THAT(spread, WithinAbs(3.0, 4 * 3.0 / std::sqrt(2000.0)));
}

TEST_CASE("each attention head mixes its own channels over the pixels", "[model][oracle]") {
  AttentionOptions options;
  options.channels = 6;
  options.heads = 3;
  options.norm_groups = 2;
  Attention attention(options);
  attention.to(torch::kFloat64);
  randomise(attention, 5);
  const auto weights = attention.named_parameters();
  const auto x = torch::randn({1, 6, 2, 3}, torch::kFloat64);
  const auto tokens =
      torch::group_norm(x, 2, weights["norm.weight"], weights["norm.bias"], 1e-6).flatten(2)[0].t();
  const auto map = [&](const std::string& name, const torch::Tensor& t) {
    return torch::linear(t, weights[name + ".weight"], weights[name + ".bias"]);
  };
  const auto q = map("query", tokens), k = map("key", tokens), v = map("value", tokens);
  auto mixed = torch::zeros_like(v);
  for (int64_t head = 0; head < 3; ++head) {
    const auto own = [&](const torch::Tensor& t) { return t.slice(1, 2 * head, 2 * head + 2); };
    for (int64_t i = 0; i < 6; ++i) {
      const auto score = torch::mv(own(k), own(q)[i]) / std::sqrt(2.0);
      own(mixed)[i].copy_(torch::mv(own(v).t(), score.exp() / score.exp().sum()));
    }
  }
  const auto expected = x + map("out", mixed).t().view({1, 6, 2, 3});
  REQUIRE(torch::allclose(attention.forward(x), expected, 1e-12, 1e-12));
}

TEST_CASE("resampling halves and doubles each side", "[model][property]") {
  const auto x = torch::randn({1, 3, 6, 4});
  REQUIRE(Downsample(3).forward(x).sizes() == torch::IntArrayRef({1, 3, 3, 2}));
  REQUIRE(Upsample(3).forward(x).sizes() == torch::IntArrayRef({1, 3, 12, 8}));
}

TEST_CASE("padding on every side centres the convolution that halves", "[model][oracle]") {
  const auto x = torch::randn({2, 3, 6, 4}, torch::kFloat64);
  for (const int64_t padding : {0, 1}) {
    Downsample downsample(3, padding);
    downsample.to(torch::kFloat64);
    const auto weights = downsample.named_parameters();
    // Padded on every side, one more below and to the right: each output is a window of it.
    const auto padded = torch::constant_pad_nd(x, {1, 1, 1, 1});
    const auto out = downsample.forward(x);
    REQUIRE(out.sizes() == torch::IntArrayRef({2, 3, 3, 2}));
    for (int64_t i = 0; i < 3; ++i) {
      for (int64_t j = 0; j < 2; ++j) {
        const int64_t first = 1 - padding;
        const auto window = padded.narrow(2, 2 * i + first, 3).narrow(3, 2 * j + first, 3);
        const auto wanted =
            torch::einsum("bchw,ochw->bo", {window, weights["conv.weight"]}) + weights["conv.bias"];
        REQUIRE(torch::allclose(out.select(2, i).select(2, j), wanted, 1e-10, 1e-10));
      }
    }
  }
}

TEST_CASE("a residual block that resamples does so before its first convolution and beside it",
          "[model][oracle]") {
  for (const auto resample : {Resample::down, Resample::up}) {
    ResidualBlock block({.in_channels = 4,
                         .out_channels = 6,
                         .embedding_width = 5,
                         .norm_groups = 2,
                         .resample = resample});
    block.to(torch::kFloat64);
    randomise(block, 2);
    block.eval();
    const auto w = block.named_parameters();
    const auto x = torch::randn({2, 4, 4, 6}, torch::kFloat64);
    const auto embedding = torch::randn({2, 5}, torch::kFloat64);
    const auto change = [&](const torch::Tensor& t) {
      if (resample == Resample::up) return t.repeat_interleave(2, 2).repeat_interleave(2, 3);
      return t.unflatten(2, {t.size(2) / 2, 2}).unflatten(4, {t.size(3) / 2, 2}).mean({3, 5});
    };
    const auto active = [&](const torch::Tensor& t, const std::string& norm) {
      return torch::silu(torch::group_norm(t, 2, w[norm + ".weight"], w[norm + ".bias"], 1e-6));
    };
    auto h = torch::conv2d(change(active(x, "norm1")), w["conv1.weight"], w["conv1.bias"], 1, 1);
    const auto e = torch::linear(torch::silu(embedding), w["embed.weight"], w["embed.bias"]);
    h = active(h + e.unsqueeze(-1).unsqueeze(-1), "norm2");
    h = torch::conv2d(h, w["conv2.weight"], w["conv2.bias"], 1, 1);
    const auto past = torch::conv2d(change(x), w["shortcut.weight"], w["shortcut.bias"]);
    REQUIRE(torch::allclose(block.forward(x, embedding), past + h, 1e-10, 1e-10));
  }
}
