#pragma once

#include <numeric>

#include "kernels/cuda/block.h"
#include "kernels/group_norm_loops.h"

namespace halcyon::cuda {

/// All images of a batch.  A block of threads works on `chunk` channels of one image: whole groups,
/// a multiple of 4.  Thread t has the four channels from 4 (t mod chunk / 4), and of the pixels
/// each of its row.
template <class T>
struct GroupNormBatch {
  GroupNormImage<T> first;  ///< the first image: first, last, scratch and kept are not read
  int64_t images;
  int64_t chunk;
};

inline constexpr int kGroupNormThreads = 256;

/// The channels that a block works on for groups of `group_size`, which divides `channels`, as
/// kGroupNormChannels does; 0: it has too few threads for them.
inline int64_t group_norm_chunk(int64_t channels, int64_t group_size) {
  const int64_t chunk = std::lcm(group_size, kGroupNormChannels);
  return channels % chunk == 0 && chunk / 4 <= kGroupNormThreads ? chunk : 0;
}

/// Threads that share a pixel, and pixels worked on at a time.
struct GroupNormLayout {
  int lanes, rows;
};

HALCYON_DEVICE GroupNormLayout group_norm_layout(int64_t chunk, int most_threads) {
  const int lanes = static_cast<int>(chunk / 4);
  return {lanes, power_of_two_below(most_threads / lanes)};
}

/// Floats of shared memory: three sums a thread and channel, or tables of a chunk.
HALCYON_DEVICE int64_t group_norm_shared(const GroupNormLayout& l) {
  return 3 * 4 * static_cast<int64_t>(l.lanes) * l.rows;
}

/// The image and the channels of a block.
template <class T, class Block>
HALCYON_BLOCK GroupNormImage<T> image_of(const GroupNormBatch<T>& batch, const Block& block) {
  auto image = batch.first;
  const int64_t parts = image.channels / batch.chunk;
  const int64_t b = block.index() / parts;
  const int64_t k = block.index() % parts;
  const int64_t groups = image.channels / image.group_size;
  image.first = k * batch.chunk;
  image.last = image.first + batch.chunk;
  image.x += b * image.pixels * image.channels;
  if (image.add != nullptr) image.add += b * image.channels;
  if (image.scale != nullptr) image.scale += b * image.channels;
  if (image.shift != nullptr) image.shift += b * image.channels;
  image.mean += b * groups;
  image.rstd += b * groups;
  return image;
}

/// Where a thread works.
struct GroupNormPlace {
  int lane, row, rows;
  int64_t channel;  ///< the first of its four

  template <class Block>
  HALCYON_BLOCK GroupNormPlace(const Block& block, const GroupNormLayout& l, int64_t first)
      : lane(block.thread() % l.lanes),
        row(block.thread() / l.lanes),
        rows(l.rows),
        channel(first + 4 * lane) {}
};

/// The way of a thread through an image: its first number, and from one pixel of its row to the
/// next.
struct Walk {
  int64_t first, step;

  HALCYON_DEVICE Walk(const GroupNormPlace& at, int64_t channels)
      : first(at.row * channels + at.channel), step(at.rows * channels) {}
};

/// Adds up `count` quads of each thread over the rows; the sum is in those of row 0, and in shared
/// memory at [k][channel of the chunk] for quad k.
template <class Block>
HALCYON_BLOCK void sum_over_rows(const Block& block, const GroupNormPlace& at, int64_t chunk,
                                 Quad* quads, int count, float* shared) {
  const int64_t plane = chunk * at.rows;
  float* mine = shared + at.row * chunk + 4 * at.lane;
  for (int k = 0; k < count; ++k) store_quad(mine + k * plane, quads[k]);
  for (int half = at.rows / 2; half > 0; half /= 2) {
    block.sync();
    if (at.row >= half) continue;
    for (int k = 0; k < count; ++k) {
      const Quad other = load_quad(mine + k * plane + half * chunk);
      for (int i = 0; i < 4; ++i) quads[k].v[i] += other.v[i];
      store_quad(mine + k * plane, quads[k]);
    }
  }
  block.sync();
}

/// The affine map a x + b that stands for everything before the activation.
struct GroupNormFold {
  Quad a, b;
};

template <class T>
HALCYON_BLOCK GroupNormFold fold(const GroupNormImage<T>& image, int64_t channel) {
  GroupNormFold f;
  for (int i = 0; i < 4; ++i) {
    const int64_t c = channel + i;
    const int64_t g = c / image.group_size;
    const float shifted = (image.add ? image.add[c] : 0.0F) - image.mean[g];
    const float outer = image.scale ? 1.0F + image.scale[c] : 1.0F;
    f.a.v[i] = image.rstd[g] * image.weight[c] * outer;
    f.b.v[i] = shifted * f.a.v[i] + image.bias[c] * outer + (image.shift ? image.shift[c] : 0.0F);
  }
  return f;
}

/// Mean and rstd of the groups of the chunk, one a thread, from the sums of x - x_0 and of its
/// square over pixels, with x_0 the first pixel.
template <class T, class Block>
HALCYON_BLOCK void write_statistics(const Block& block, const GroupNormImage<T>& image,
                                    const float* sum, const float* square) {
  const auto pixels = static_cast<double>(image.pixels);
  const auto size = static_cast<double>(image.group_size);
  const int64_t groups = (image.last - image.first) / image.group_size;
  for (int64_t g = block.thread(); g < groups; g += block.threads()) {
    double mean = 0, square_mean = 0, within = 0;
    for (int64_t i = g * image.group_size; i < (g + 1) * image.group_size; ++i) {
      const int64_t c = image.first + i;
      const double delta = sum[i] / pixels;
      const double m = simd::load_one(image.x + c) + delta + (image.add ? image.add[c] : 0.0F);
      mean += m / size;
      square_mean += m * m / size;
      within += (square[i] / pixels - delta * delta) / size;
    }
    double variance = within + square_mean - mean * mean;
    if (variance < 0) variance = 0;  // rounded; NaN stays
    image.mean[image.first / image.group_size + g] = static_cast<float>(mean);
    image.rstd[image.first / image.group_size + g] =
        static_cast<float>(1 / sqrt(variance + image.eps));
  }
  block.sync();
}

HALCYON_DEVICE float sigmoid(float x) { return fast_ratio(1.0F, 1.0F + fast_exp(-x)); }

template <class T, class Block>
HALCYON_BLOCK void group_norm_forward_block(const Block& block, const GroupNormBatch<T>& batch,
                                            const GroupNormLayout& layout, T* y, float* shared) {
  const auto image = image_of(batch, block);
  const GroupNormPlace at(block, layout, image.first);
  const Walk walk(at, image.channels);
  const Quad origin = load_quad(image.x + at.channel);
  Quad sums[2] = {};
  const T* x_at = image.x + walk.first;
  for (int64_t p = at.row; p < image.pixels; p += at.rows, x_at += walk.step) {
    const Quad x = load_quad(x_at);
    for (int i = 0; i < 4; ++i) {
      const float d = x.v[i] - origin.v[i];
      sums[0].v[i] += d;
      sums[1].v[i] += d * d;
    }
  }
  sum_over_rows(block, at, batch.chunk, sums, 2, shared);
  write_statistics(block, image, shared, shared + batch.chunk * at.rows);

  const auto f = fold(image, at.channel);
  x_at = image.x + walk.first;
  T* y_at = y + (x_at - batch.first.x);
  for (int64_t p = at.row; p < image.pixels; p += at.rows, x_at += walk.step, y_at += walk.step) {
    Quad z = load_quad(x_at);
    for (int i = 0; i < 4; ++i) {
      z.v[i] = f.a.v[i] * z.v[i] + f.b.v[i];
      if (image.activate) z.v[i] *= sigmoid(z.v[i]);
    }
    store_quad(y_at, z);
  }
}

/// dy times the derivative of the activation at z.
HALCYON_DEVICE float before_activation(float dy, float z, bool activate) {
  if (!activate) return dy;
  const float s = sigmoid(z);
  return dy * (s + z * s * (1.0F - s));
}

/// With v the gradient by xhat: dx = slope u - (m + mx xhat), of the group's
/// m = rstd mean(v) and mx = rstd mean(v xhat): written to means[2 g] and means[2 g + 1].
template <class T, class Block>
HALCYON_BLOCK void write_means(const Block& block, const GroupNormImage<T>& image, const float* u,
                               const float* u_xhat, float* means) {
  const double size = static_cast<double>(image.group_size) * static_cast<double>(image.pixels);
  const int64_t groups = (image.last - image.first) / image.group_size;
  for (int64_t g = block.thread(); g < groups; g += block.threads()) {
    double mean_v = 0, mean_v_xhat = 0;
    for (int64_t i = g * image.group_size; i < (g + 1) * image.group_size; ++i) {
      const int64_t c = image.first + i;
      const float outer = image.weight[c] * (image.scale ? 1.0F + image.scale[c] : 1.0F);
      mean_v += outer * u[i] / size;
      mean_v_xhat += outer * u_xhat[i] / size;
    }
    const float rstd = image.rstd[image.first / image.group_size + g];
    means[2 * g] = rstd * static_cast<float>(mean_v);
    means[2 * g + 1] = rstd * static_cast<float>(mean_v_xhat);
  }
  block.sync();
}

/// What the sums are of: see GroupNormSums, whose pointers are to those of the first image.
/// `means`: shared, [2 chunk / group_size].
template <class T, class Block>
HALCYON_BLOCK void group_norm_backward_block(const Block& block, const GroupNormBatch<T>& batch,
                                             const GroupNormLayout& layout, const T* dy,
                                             const T* extra, T* dx, const GroupNormSums& sums,
                                             float* shared, float* means) {
  const auto image = image_of(batch, block);
  const GroupNormPlace at(block, layout, image.first);
  const int64_t offset = image.x - batch.first.x;
  const auto f = fold(image, at.channel);
  Quad pull, rest;  // xhat = pull x + rest
  for (int i = 0; i < 4; ++i) {
    const int64_t g = (at.channel + i) / image.group_size;
    pull.v[i] = image.rstd[g];
    rest.v[i] = ((image.add ? image.add[at.channel + i] : 0.0F) - image.mean[g]) * image.rstd[g];
  }
  const Walk walk(at, image.channels);
  const T* x_at = image.x + walk.first;
  const T* dy_at = dy + offset + walk.first;
  Quad total[3] = {};
  for (int64_t p = at.row; p < image.pixels; p += at.rows, x_at += walk.step, dy_at += walk.step) {
    const Quad x = load_quad(x_at);
    const Quad d = load_quad(dy_at);
    for (int i = 0; i < 4; ++i) {
      const float u = before_activation(d.v[i], f.a.v[i] * x.v[i] + f.b.v[i], image.activate);
      const float xhat = pull.v[i] * x.v[i] + rest.v[i];
      total[0].v[i] += u;
      total[1].v[i] += u * xhat;
      total[2].v[i] += xhat;
    }
  }
  sum_over_rows(block, at, batch.chunk, total, 3, shared);
  write_means(block, image, shared, shared + batch.chunk * at.rows, means);

  const auto pixels = static_cast<float>(image.pixels);
  const int64_t table = offset / image.pixels + at.channel;  // of the batch's [B, C]
  for (int i = 0; i < 4; ++i) {
    const int64_t g = (at.channel + i - image.first) / image.group_size;
    const float m = means[2 * g];
    const float mx = means[2 * g + 1];
    if (at.row == 0) {
      sums.u[table + i] = total[0].v[i];
      sums.u_xhat[table + i] = total[1].v[i];
      sums.dx[table + i] = f.a.v[i] * total[0].v[i] - pixels * m - mx * total[2].v[i];
    }
    rest.v[i] = -m - mx * rest.v[i];
    pull.v[i] = -mx * pull.v[i];
  }
  int64_t place = walk.first;
  x_at = image.x;
  dy_at = dy + offset;
  for (int64_t p = at.row; p < image.pixels; p += at.rows, place += walk.step) {
    const Quad x = load_quad(x_at + place);
    Quad g = load_quad(dy_at + place);
    for (int i = 0; i < 4; ++i) {
      const float u = before_activation(g.v[i], f.a.v[i] * x.v[i] + f.b.v[i], image.activate);
      g.v[i] = f.a.v[i] * u + (pull.v[i] * x.v[i] + rest.v[i]);
    }
    if (extra != nullptr) {
      const Quad e = load_quad(extra + offset + place);
      for (int i = 0; i < 4; ++i) g.v[i] += e.v[i];
    }
    store_quad(dx + offset + place, g);
  }
}

}  // namespace halcyon::cuda
