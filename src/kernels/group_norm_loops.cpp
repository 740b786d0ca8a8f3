#include "kernels/group_norm_loops.h"

#include <cmath>

#include "kernels/simd.h"

namespace halcyon {
namespace {

using simd::kWidth;
using simd::Lanes;

constexpr int kBlock = 4;  // Lanes that a sweep over the pixels keeps in registers

/// The affine map a x + b that stands for everything before the activation, channel by channel.
template <class T>
HALCYON_INLINE void fold(const GroupNormImage<T>& image, float* a, float* b) {
  for (int64_t c = image.first; c < image.last; ++c) {
    const int64_t g = c / image.group_size;
    const float shifted = (image.add ? image.add[c] : 0.0F) - image.mean[g];
    const float outer = image.scale ? 1.0F + image.scale[c] : 1.0F;
    a[c] = image.rstd[g] * image.weight[c] * outer;
    b[c] = shifted * a[c] + image.bias[c] * outer + (image.shift ? image.shift[c] : 0.0F);
  }
}

/// Sums of x - x_0 and of its square over the pixels, x_0 the first pixel: a shift that spares the
/// variance the cancellation of a large mean.
template <int n, class T>
HALCYON_INLINE void channel_sums(const GroupNormImage<T>& image, int64_t c, float* sum,
                                 float* square) {
  Lanes origin[n], s[n], q[n];
  for (int k = 0; k < n; ++k) {
    origin[k] = simd::load(image.x + c + k * kWidth);
    s[k] = q[k] = Lanes{};
  }
  for (int64_t p = 0; p < image.pixels; ++p) {
    const T* x = image.x + p * image.channels + c;
    for (int k = 0; k < n; ++k) {
      const Lanes v = simd::load(x + k * kWidth) - origin[k];
      s[k] += v;
      q[k] += v * v;
    }
  }
  for (int k = 0; k < n; ++k) {
    simd::store(sum + c + k * kWidth, s[k]);
    simd::store(square + c + k * kWidth, q[k]);
  }
}

template <class T>
HALCYON_INLINE void statistics(const GroupNormImage<T>& image) {
  float* sum = image.scratch;
  float* square = image.scratch + image.channels;
  int64_t c = image.first;
  for (; c + kBlock * kWidth <= image.last; c += kBlock * kWidth) {
    channel_sums<kBlock>(image, c, sum, square);
  }
  for (; c < image.last; c += kWidth) channel_sums<1>(image, c, sum, square);

  const auto pixels = static_cast<double>(image.pixels);
  const auto size = static_cast<double>(image.group_size);
  for (int64_t g = image.first / image.group_size; g < image.last / image.group_size; ++g) {
    // Channel means, then the spread within channels and that between them.
    double mean = 0, square_mean = 0, within = 0;
    for (int64_t k = g * image.group_size; k < (g + 1) * image.group_size; ++k) {
      const double delta = sum[k] / pixels;
      const double m = simd::load_one(image.x + k) + delta + (image.add ? image.add[k] : 0.0F);
      mean += m / size;
      square_mean += m * m / size;
      within += (square[k] / pixels - delta * delta) / size;
    }
    const double variance = within + square_mean - mean * mean;
    image.mean[g] = static_cast<float>(mean);
    image.rstd[g] = static_cast<float>(1 / std::sqrt(variance + image.eps));
  }
}

template <bool activate, int n, class T>
HALCYON_INLINE void apply(const GroupNormImage<T>& image, int64_t c, const float* a, const float* b,
                          T* y) {
  Lanes slope[n], offset[n];
  for (int k = 0; k < n; ++k) {
    slope[k] = simd::load(a + c + k * kWidth);
    offset[k] = simd::load(b + c + k * kWidth);
  }
  for (int64_t p = 0; p < image.pixels; ++p) {
    const int64_t at = p * image.channels + c;
    for (int k = 0; k < n; ++k) {
      const Lanes z = slope[k] * simd::load(image.x + at + k * kWidth) + offset[k];
      simd::store(y + at + k * kWidth, activate ? z * simd::sigmoid(z) : z);
    }
  }
}

template <bool activate, class T>
HALCYON_INLINE void forward(const GroupNormImage<T>& image, T* y) {
  statistics(image);
  float* a = image.scratch;
  float* b = image.scratch + image.channels;
  fold(image, a, b);
  int64_t c = image.first;
  for (; c + kBlock * kWidth <= image.last; c += kBlock * kWidth) {
    apply<activate, kBlock>(image, c, a, b, y);
  }
  for (; c < image.last; c += kWidth) apply<activate, 1>(image, c, a, b, y);
}

/// dy times the derivative of the activation at z.
template <bool activate>
HALCYON_INLINE Lanes before_activation(Lanes dy, Lanes z) {
  if (!activate) return dy;
  const Lanes s = simd::sigmoid(z);
  return dy * (s * (1.0F + z * (1.0F - s)));
}

/// Tables a channel that the sweeps of the backward pass read.
struct Tables {
  float* a;  // z = a x + b
  float* b;
  float* pull;  // dx = a u + pull x + offset
  float* offset;
};

template <bool activate, int n, class T>
HALCYON_INLINE void gradient_sums(const GroupNormImage<T>& image, int64_t c, const Tables& t,
                                  const T* dy, const GroupNormSums& sums) {
  Lanes a[n], b[n], u_sum[n], ux_sum[n], x_sum[n];
  for (int k = 0; k < n; ++k) {
    a[k] = simd::load(t.a + c + k * kWidth);
    b[k] = simd::load(t.b + c + k * kWidth);
    u_sum[k] = ux_sum[k] = x_sum[k] = Lanes{};
  }
  for (int64_t p = 0; p < image.pixels; ++p) {
    const int64_t at = p * image.channels + c;
    for (int k = 0; k < n; ++k) {
      const Lanes x = simd::load(image.x + at + k * kWidth);
      const Lanes u =
          before_activation<activate>(simd::load(dy + at + k * kWidth), a[k] * x + b[k]);
      // pull and offset hold what makes xhat of x, for now.
      const Lanes xhat =
          simd::load(t.pull + c + k * kWidth) * x + simd::load(t.offset + c + k * kWidth);
      u_sum[k] += u;
      ux_sum[k] += u * xhat;
      x_sum[k] += xhat;
    }
  }
  for (int k = 0; k < n; ++k) {
    simd::store(sums.u + c + k * kWidth, u_sum[k]);
    simd::store(sums.u_xhat + c + k * kWidth, ux_sum[k]);
    simd::store(sums.dx + c + k * kWidth, x_sum[k]);
  }
}

template <bool activate, int n, class T>
HALCYON_INLINE void gradient(const GroupNormImage<T>& image, int64_t c, const Tables& t,
                             const T* dy, T* dx) {
  Lanes a[n], b[n], pull[n], offset[n];
  for (int k = 0; k < n; ++k) {
    a[k] = simd::load(t.a + c + k * kWidth);
    b[k] = simd::load(t.b + c + k * kWidth);
    pull[k] = simd::load(t.pull + c + k * kWidth);
    offset[k] = simd::load(t.offset + c + k * kWidth);
  }
  for (int64_t p = 0; p < image.pixels; ++p) {
    const int64_t at = p * image.channels + c;
    for (int k = 0; k < n; ++k) {
      const Lanes x = simd::load(image.x + at + k * kWidth);
      const Lanes u =
          before_activation<activate>(simd::load(dy + at + k * kWidth), a[k] * x + b[k]);
      simd::store(dx + at + k * kWidth, a[k] * u + (pull[k] * x + offset[k]));
    }
  }
}

/// xhat = pull x + offset
template <class T>
HALCYON_INLINE void normalising_tables(const GroupNormImage<T>& image, const Tables& t) {
  for (int64_t c = image.first; c < image.last; ++c) {
    const int64_t g = c / image.group_size;
    t.pull[c] = image.rstd[g];
    t.offset[c] = ((image.add ? image.add[c] : 0.0F) - image.mean[g]) * image.rstd[g];
  }
}

/// With v = du/dxhat u summed: dx = rstd (v - mean(v) - xhat mean(v xhat)), means over the group.
template <class T>
HALCYON_INLINE void gradient_tables(const GroupNormImage<T>& image, const Tables& t,
                                    const GroupNormSums& sums) {
  const auto pixels = static_cast<float>(image.pixels);
  for (int64_t g = image.first / image.group_size; g < image.last / image.group_size; ++g) {
    const int64_t begin = g * image.group_size;
    const int64_t end = begin + image.group_size;
    const double size = static_cast<double>(image.group_size) * pixels;
    double mean_v = 0, mean_v_xhat = 0;
    for (int64_t c = begin; c < end; ++c) {
      const float outer = image.weight[c] * (image.scale ? 1.0F + image.scale[c] : 1.0F);
      mean_v += outer * sums.u[c] / size;
      mean_v_xhat += outer * sums.u_xhat[c] / size;
    }
    const float rstd = image.rstd[g];
    const float m = rstd * static_cast<float>(mean_v);
    const float mx = rstd * static_cast<float>(mean_v_xhat);
    for (int64_t c = begin; c < end; ++c) {
      sums.dx[c] = t.a[c] * sums.u[c] - pixels * m - mx * sums.dx[c];
      t.offset[c] = -m - mx * t.offset[c];
      t.pull[c] = -mx * t.pull[c];
    }
  }
}

template <bool activate, class T>
HALCYON_INLINE void backward(const GroupNormImage<T>& image, const T* dy, T* dx,
                             const GroupNormSums& sums) {
  const int64_t n = image.channels;
  float* s = image.scratch;
  const Tables t = {s, s + n, s + 2 * n, s + 3 * n};
  fold(image, t.a, t.b);
  normalising_tables(image, t);
  constexpr int kFew = 2;  // fewer at a time: there are more sums
  int64_t c = image.first;
  for (; c + kFew * kWidth <= image.last; c += kFew * kWidth) {
    gradient_sums<activate, kFew>(image, c, t, dy, sums);
  }
  for (; c < image.last; c += kWidth) gradient_sums<activate, 1>(image, c, t, dy, sums);
  gradient_tables(image, t, sums);
  c = image.first;
  for (; c + kFew * kWidth <= image.last; c += kFew * kWidth) {
    gradient<activate, kFew>(image, c, t, dy, dx);
  }
  for (; c < image.last; c += kWidth) gradient<activate, 1>(image, c, t, dy, dx);
}

}  // namespace

HALCYON_MULTIVERSION
void group_norm_forward(const GroupNormImage<float>& image, float* y) {
  image.activate ? forward<true>(image, y) : forward<false>(image, y);
}

HALCYON_MULTIVERSION
void group_norm_forward(const GroupNormImage<simd::BFloat16>& image, simd::BFloat16* y) {
  image.activate ? forward<true>(image, y) : forward<false>(image, y);
}

HALCYON_MULTIVERSION
void group_norm_backward(const GroupNormImage<float>& image, const float* dy, float* dx,
                         const GroupNormSums& sums) {
  image.activate ? backward<true>(image, dy, dx, sums) : backward<false>(image, dy, dx, sums);
}

HALCYON_MULTIVERSION
void group_norm_backward(const GroupNormImage<simd::BFloat16>& image, const simd::BFloat16* dy,
                         simd::BFloat16* dx, const GroupNormSums& sums) {
  image.activate ? backward<true>(image, dy, dx, sums) : backward<false>(image, dy, dx, sums);
}

}  // namespace halcyon
