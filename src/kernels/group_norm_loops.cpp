#include "kernels/group_norm_loops.h"

#include <cmath>

#include "kernels/simd.h"

namespace halcyon {
namespace {

using simd::Lanes;
using simd::Pair;

constexpr int64_t kSumPixels = 256;  // summed before they join the rest: sums of sums round less

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
template <class T>
HALCYON_INLINE void channel_sums(const GroupNormImage<T>& image, float* sum, float* square) {
  for (int64_t c = image.first; c < image.last; c += kGroupNormChannels) {
    const Pair origin = simd::load_pair(image.x + c);
    Pair s = {}, q = {};
    for (int64_t begin = 0; begin < image.pixels; begin += kSumPixels) {
      const int64_t end = begin + kSumPixels < image.pixels ? begin + kSumPixels : image.pixels;
      Pair some = {}, square_some = {};
      for (int64_t p = begin; p < end; ++p) {
        const Pair x = simd::load_pair(image.x + p * image.channels + c);
        const Lanes a = x.a - origin.a;
        const Lanes b = x.b - origin.b;
        some.a += a;
        some.b += b;
        square_some.a += a * a;
        square_some.b += b * b;
      }
      s.a += some.a;
      s.b += some.b;
      q.a += square_some.a;
      q.b += square_some.b;
    }
    simd::store_table<T>(sum + c, s);
    simd::store_table<T>(square + c, q);
  }
}

template <class T>
HALCYON_INLINE void statistics(const GroupNormImage<T>& image) {
  float* sum = image.scratch;
  float* square = image.scratch + image.channels;
  channel_sums(image, sum, square);
  const auto pixels = static_cast<double>(image.pixels);
  const auto size = static_cast<double>(image.group_size);
  for (int64_t g = image.first / image.group_size; g < image.last / image.group_size; ++g) {
    // The spread within channels and that of their means.
    double mean = 0, square_mean = 0, within = 0;
    for (int64_t k = g * image.group_size; k < (g + 1) * image.group_size; ++k) {
      const double delta = sum[k] / pixels;
      const double m = simd::load_one(image.x + k) + delta + (image.add ? image.add[k] : 0.0F);
      mean += m / size;
      square_mean += m * m / size;
      within += (square[k] / pixels - delta * delta) / size;
    }
    double variance = within + square_mean - mean * mean;
    if (variance < 0) variance = 0;  // rounded; NaN stays
    image.mean[g] = static_cast<float>(mean);
    image.rstd[g] = static_cast<float>(1 / std::sqrt(variance + image.eps));
  }
}

template <bool activate>
HALCYON_INLINE Lanes activated(Lanes z) {
  return activate ? z * simd::sigmoid(z) : z;
}

template <bool activate, class T>
HALCYON_INLINE void forward(const GroupNormImage<T>& image, T* y) {
  statistics(image);
  float* slope = image.scratch;
  float* offset = image.scratch + image.channels;
  fold(image, slope, offset);
  for (int64_t c = image.first; c < image.last; c += kGroupNormChannels) {
    const Pair a = simd::load_table<T>(slope + c);
    const Pair b = simd::load_table<T>(offset + c);
    for (int64_t p = 0; p < image.pixels; ++p) {
      const int64_t at = p * image.channels + c;
      const Pair x = simd::load_pair(image.x + at);
      simd::store_pair(
          y + at, {activated<activate>(a.a * x.a + b.a), activated<activate>(a.b * x.b + b.b)});
    }
  }
}

/// dy times the derivative of the activation at z.
template <bool activate>
HALCYON_INLINE Lanes before_activation(Lanes dy, Lanes z) {
  if (!activate) return dy;
  const Lanes s = simd::sigmoid(z);
  return dy * (s + z * s * (1.0F - s));
}

/// The same at z = a x + b.
template <bool activate>
HALCYON_INLINE Pair gradient_by_z(const Pair& dy, const Pair& x, const Pair& a, const Pair& b) {
  return {before_activation<activate>(dy.a, a.a * x.a + b.a),
          before_activation<activate>(dy.b, a.b * x.b + b.b)};
}

/// Tables a channel that the sweeps of the backward pass read.
struct Tables {
  float* slope;  // z = slope x + offset
  float* offset;
  float* pull;  // first xhat = pull x + rest; then dx = slope u + pull x + rest
  float* rest;
};

/// Where the gradients by z of pixels 0, 1, ... and channels c, ... are kept.
template <bool keep, class T>
HALCYON_INLINE float* kept_from(const GroupNormImage<T>& image, int64_t c) {
  return keep ? image.kept + (c - image.first) * image.pixels : nullptr;
}

template <bool activate, bool keep, class T>
HALCYON_INLINE void gradient_sums(const GroupNormImage<T>& image, const Tables& t, const T* dy,
                                  const GroupNormSums& sums) {
  for (int64_t c = image.first; c < image.last; c += kGroupNormChannels) {
    const Pair a = simd::load_table<T>(t.slope + c);
    const Pair b = simd::load_table<T>(t.offset + c);
    const Pair pull = simd::load_table<T>(t.pull + c);
    const Pair rest = simd::load_table<T>(t.rest + c);
    float* const kept = kept_from<keep>(image, c);
    Pair u_sum = {}, ux_sum = {}, x_sum = {};
    for (int64_t p = 0; p < image.pixels; ++p) {
      const int64_t at = p * image.channels + c;
      const Pair x = simd::load_pair(image.x + at);
      const Pair u = gradient_by_z<activate>(simd::load_pair(dy + at), x, a, b);
      if (keep) simd::store_pair(kept + p * kGroupNormChannels, u);
      const Pair xhat = {pull.a * x.a + rest.a, pull.b * x.b + rest.b};
      u_sum.a += u.a;
      u_sum.b += u.b;
      ux_sum.a += u.a * xhat.a;
      ux_sum.b += u.b * xhat.b;
      x_sum.a += xhat.a;
      x_sum.b += xhat.b;
    }
    simd::store_table<T>(sums.u + c, u_sum);
    simd::store_table<T>(sums.u_xhat + c, ux_sum);
    simd::store_table<T>(sums.dx + c, x_sum);
  }
}

template <bool activate, bool keep, bool more, class T>
HALCYON_INLINE void gradient(const GroupNormImage<T>& image, const Tables& t, const T* dy,
                             const T* extra, T* dx) {
  for (int64_t c = image.first; c < image.last; c += kGroupNormChannels) {
    const Pair a = simd::load_table<T>(t.slope + c);
    const Pair b = simd::load_table<T>(t.offset + c);
    const Pair pull = simd::load_table<T>(t.pull + c);
    const Pair rest = simd::load_table<T>(t.rest + c);
    const float* const kept = kept_from<keep>(image, c);
    for (int64_t p = 0; p < image.pixels; ++p) {
      const int64_t at = p * image.channels + c;
      const Pair x = simd::load_pair(image.x + at);
      const Pair u = keep ? simd::load_pair(kept + p * kGroupNormChannels)
                          : gradient_by_z<activate>(simd::load_pair(dy + at), x, a, b);
      Pair g = {a.a * u.a + (pull.a * x.a + rest.a), a.b * u.b + (pull.b * x.b + rest.b)};
      if (more) {
        const Pair e = simd::load_pair(extra + at);
        g.a += e.a;
        g.b += e.b;
      }
      simd::store_pair(dx + at, g);
    }
  }
}

/// xhat = pull x + rest
template <class T>
HALCYON_INLINE void normalising_tables(const GroupNormImage<T>& image, const Tables& t) {
  for (int64_t c = image.first; c < image.last; ++c) {
    const int64_t g = c / image.group_size;
    t.pull[c] = image.rstd[g];
    t.rest[c] = ((image.add ? image.add[c] : 0.0F) - image.mean[g]) * image.rstd[g];
  }
}

/// With v the gradient by xhat: dx = rstd (v - mean(v) - xhat mean(v xhat)), means over the group.
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
    const float m = image.rstd[g] * static_cast<float>(mean_v);
    const float mx = image.rstd[g] * static_cast<float>(mean_v_xhat);
    for (int64_t c = begin; c < end; ++c) {
      sums.dx[c] = t.slope[c] * sums.u[c] - pixels * m - mx * sums.dx[c];
      t.rest[c] = -m - mx * t.rest[c];
      t.pull[c] = -mx * t.pull[c];
    }
  }
}

template <bool activate, bool keep, class T>
HALCYON_INLINE void backward(const GroupNormImage<T>& image, const T* dy, const T* extra, T* dx,
                             const GroupNormSums& sums) {
  const int64_t n = image.channels;
  float* s = image.scratch;
  const Tables t = {s, s + n, s + 2 * n, s + 3 * n};
  fold(image, t.slope, t.offset);
  normalising_tables(image, t);
  gradient_sums<activate, keep>(image, t, dy, sums);
  gradient_tables(image, t, sums);
  if (extra != nullptr) {
    gradient<activate, keep, true>(image, t, dy, extra, dx);
  } else {
    gradient<activate, keep, false>(image, t, dy, extra, dx);
  }
}

template <class T>
HALCYON_INLINE void any_backward(const GroupNormImage<T>& image, const T* dy, const T* extra, T* dx,
                                 const GroupNormSums& sums) {
  if (!image.activate) {
    backward<false, false>(image, dy, extra, dx, sums);
  } else if (image.kept == nullptr) {
    backward<true, false>(image, dy, extra, dx, sums);
  } else {
    backward<true, true>(image, dy, extra, dx, sums);
  }
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
void group_norm_backward(const GroupNormImage<float>& image, const float* dy, const float* extra,
                         float* dx, const GroupNormSums& sums) {
  any_backward(image, dy, extra, dx, sums);
}

HALCYON_MULTIVERSION
void group_norm_backward(const GroupNormImage<simd::BFloat16>& image, const simd::BFloat16* dy,
                         const simd::BFloat16* extra, simd::BFloat16* dx,
                         const GroupNormSums& sums) {
  any_backward(image, dy, extra, dx, sums);
}

}  // namespace halcyon
