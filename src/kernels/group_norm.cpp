#include "kernels/group_norm.h"

#include <ATen/record_function.h>
#include <torch/autograd.h>
#include <torch/types.h>

#include <memory>
#include <numeric>

#include "kernels/cuda/device_work.h"
#include "kernels/fusion.h"
#include "kernels/group_norm_loops.h"
#include "kernels/parallel.h"

namespace halcyon {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Autograd takes no undefined tensors: what is not there is empty.
bool present(const torch::Tensor& t) { return t.numel() > 0; }

template <class T>
T* data(const torch::Tensor& t) {
  return present(t) ? static_cast<T*>(t.data_ptr()) : nullptr;
}

/// The first image of a batch: [B, C, H, W] tensors and [B, C] tables.
template <class T>
GroupNormImage<T> first_image(const torch::Tensor& x, const variable_list& tables,
                              const GroupNormTask& task, const torch::Tensor& mean,
                              const torch::Tensor& rstd) {
  GroupNormImage<T> image = {};
  image.pixels = x.size(2) * x.size(3);
  image.channels = x.size(1);
  image.group_size = x.size(1) / task.groups;
  image.eps = task.eps;
  image.activate = task.activate;
  image.x = data<T>(x);
  image.weight = data<float>(tables[0]);
  image.bias = data<float>(tables[1]);
  image.add = data<float>(tables[2]);
  image.scale = data<float>(tables[3]);
  image.shift = data<float>(tables[4]);
  image.mean = data<float>(mean);
  image.rstd = data<float>(rstd);
  return image;
}

/// How to find the images of a batch from the first, and their parts: as few channels as go
/// together, so that few images keep all threads busy and what is read twice is in the cache still.
template <class T>
class Batch {
 public:
  Batch(const GroupNormImage<T>& first, int64_t images)
      : image_(first),
        channels_(first.channels),
        step_(first.channels * first.pixels),
        groups_(first.channels / first.group_size),
        parts_(channels_ / std::lcm(first.group_size, kGroupNormChannels)),
        count_(images * parts_) {}

  /// work(image, offset of its pixels, offset of its tables) for every part, on all threads.
  template <class Work>
  void for_each(const Work& work) const {
    for_each_keeping(0, work);
  }

  /// The same, with room for what a backward pass may keep.
  template <class Work>
  void for_each_backward(const Work& work) const {
    const auto numbers = image_.pixels * channels_ / parts_;
    for_each_keeping(image_.activate && numbers <= kGroupNormKept ? numbers : 0, work);
  }

 private:
  template <class Work>
  void for_each_keeping(int64_t kept, const Work& work) const {
    parallel_for(count_, [&](int64_t begin, int64_t end) {
      const auto room = static_cast<size_t>(4 * channels_ + kept);
      const auto scratch = std::make_unique_for_overwrite<float[]>(room);
      float* const keep = kept > 0 ? scratch.get() + 4 * channels_ : nullptr;
      for (int64_t i = begin; i < end; ++i) {
        work(part(i, scratch.get(), keep), i / parts_ * step_, i / parts_ * channels_);
      }
    });
  }

  GroupNormImage<T> part(int64_t i, float* scratch, float* kept) const {
    const int64_t b = i / parts_;
    const int64_t k = i % parts_;
    auto image = image_;
    image.first = k * channels_ / parts_;
    image.last = (k + 1) * channels_ / parts_;
    image.x += b * step_;
    for (auto* table : {&image.add, &image.scale, &image.shift}) {
      if (*table != nullptr) *table += b * channels_;
    }
    image.mean += b * groups_;
    image.rstd += b * groups_;
    image.scratch = scratch;
    image.kept = kept;
    return image;
  }

  GroupNormImage<T> image_;
  int64_t channels_, step_, groups_;
  int64_t parts_;
  int64_t count_;
};

template <class T>
cuda::GroupNormBatch<T> batch_of(const GroupNormImage<T>& first, const torch::Tensor& x) {
  return {first, x.size(0), cuda::group_norm_chunk(first.channels, first.group_size)};
}

template <class Work>
void dispatch(const torch::Tensor& x, const Work& work) {
  if (x.scalar_type() == torch::kFloat32) {
    work(float());
  } else {
    work(simd::BFloat16());
  }
}

/// x in the memory order, and at an address, that the kernels want.
torch::Tensor ordered(const torch::Tensor& x) {
  const auto y = x.contiguous(at::MemoryFormat::ChannelsLast);
  return y.is_cuda() && !cuda::is_aligned(y) ? y.clone() : y;
}

/// Whether the fused kernels take x in so many groups.
bool fits(const torch::Tensor& x, int64_t groups) {
  if (x.numel() == 0 || x.size(1) % kGroupNormChannels != 0 || x.size(1) % groups != 0)
    return false;
  return !x.is_cuda() || cuda::group_norm_chunk(x.size(1), x.size(1) / groups) > 0;
}

torch::Tensor composed(const variable_list& in, const GroupNormTask& task) {
  const auto optional = [](const torch::Tensor& t) { return present(t) ? t : torch::Tensor(); };
  return group_norm_composed(in[0], in[1], in[2], task,
                             {optional(in[3]), optional(in[4]), optional(in[5])});
}

/// Gradients by weight, bias, add, scale and shift from the sums over pixels, each [B, C].
variable_list table_gradients(const variable_list& in, const torch::Tensor& u,
                              const torch::Tensor& u_xhat, const torch::Tensor& dx) {
  const auto &weight = in[1], &bias = in[2], &scale = in[4];
  const auto outer = [&](const torch::Tensor& sum) {
    return (present(scale) ? sum * (1 + scale) : sum).sum(0);
  };
  return {outer(u_xhat), outer(u), present(in[3]) ? dx : torch::Tensor(),
          present(scale) ? weight * u_xhat + bias * u : torch::Tensor(),
          present(in[5]) ? u : torch::Tensor()};
}

/// The norm of x, and x: so that what comes back to x past the norm is added in the same pass.
struct FusedGroupNorm final : torch::autograd::Function<FusedGroupNorm> {
  static variable_list forward(AutogradContext* context, const torch::Tensor& x,
                               const torch::Tensor& weight, const torch::Tensor& bias,
                               const torch::Tensor& add, const torch::Tensor& scale,
                               const torch::Tensor& shift, int64_t groups, double eps,
                               bool activate) {
    const GroupNormTask task = {groups, eps, activate};
    const auto mean = torch::empty({x.size(0), groups}, weight.options());
    const auto rstd = torch::empty_like(mean);
    auto y = torch::empty_like(x);
    dispatch(x, [&](auto zero) {
      using T = decltype(zero);
      const auto first = first_image<T>(x, {weight, bias, add, scale, shift}, task, mean, rstd);
      if (x.is_cuda()) {
        const cuda::DeviceWork work(x.device());
        cuda::group_norm_forward(batch_of(first, x), data<T>(y), work.stream());
        return;
      }
      Batch<T>(first, x.size(0))
          .for_each([&](const GroupNormImage<T>& image, int64_t pixels, int64_t) {
            group_norm_forward(image, data<T>(y) + pixels);
          });
    });
    context->save_for_backward({x, weight, bias, add, scale, shift, mean, rstd});
    context->saved_data["groups"] = groups;
    context->saved_data["eps"] = eps;
    context->saved_data["activate"] = activate;
    context->set_materialize_grads(false);
    return {y, x};
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const GroupNormTask task = {context->saved_data["groups"].toInt(),
                                context->saved_data["eps"].toDouble(),
                                context->saved_data["activate"].toBool()};
    const auto saved = context->get_saved_variables();
    const variable_list in(saved.begin(), saved.begin() + 6);
    const auto &dy = gradients[0], &passed = gradients[1];
    variable_list result(9);  // none for groups, eps and activate
    if (!dy.defined()) {
      result[0] = passed;
    } else if (needs_graph(dy)) {
      const auto found = differentiable_gradient(
          [&](const auto& inputs) { return composed(inputs, task); }, in, dy);
      std::copy(found.begin(), found.end(), result.begin());
      if (passed.defined()) result[0] = result[0].defined() ? result[0] + passed : passed;
    } else {
      const auto found = first_gradient(in, saved[6], saved[7], task, dy, passed);
      std::copy(found.begin(), found.end(), result.begin());
    }
    return result;
  }

  static variable_list first_gradient(const variable_list& in, const torch::Tensor& mean,
                                      const torch::Tensor& rstd, const GroupNormTask& task,
                                      const torch::Tensor& gradient, const torch::Tensor& passed) {
    const auto& x = in[0];
    const auto dy = ordered(gradient);
    const auto extra = passed.defined() ? ordered(passed) : torch::empty({0});
    const auto dx = torch::empty_like(x);
    const auto sums = torch::empty({3, x.size(0), x.size(1)}, mean.options());
    dispatch(x, [&](auto zero) {
      using T = decltype(zero);
      float* base = sums.data_ptr<float>();
      const int64_t size = x.size(0) * x.size(1);
      const auto first = first_image<T>(x, {in[1], in[2], in[3], in[4], in[5]}, task, mean, rstd);
      if (x.is_cuda()) {
        const cuda::DeviceWork work(x.device());
        cuda::group_norm_backward<T>(batch_of(first, x), data<T>(dy), data<T>(extra), data<T>(dx),
                                     {base, base + size, base + 2 * size}, work.stream());
        return;
      }
      Batch<T>(first, x.size(0))
          .for_each_backward([&](const GroupNormImage<T>& image, int64_t pixels, int64_t tables) {
            float* at = base + tables;
            const T* more = present(extra) ? data<T>(extra) + pixels : nullptr;
            group_norm_backward(image, data<T>(dy) + pixels, more, data<T>(dx) + pixels,
                                {at, at + size, at + 2 * size});
          });
    });
    auto result = table_gradients(in, sums[0], sums[1], sums[2]);
    result.insert(result.begin(), dx);
    return result;
  }
};

/// [B, C] in memory order, or empty.
torch::Tensor table(const torch::Tensor& t, const torch::Tensor& x) {
  return t.defined() ? t.expand({x.size(0), x.size(1)}).contiguous() : torch::empty({0});
}

torch::Tensor over_pixels(const torch::Tensor& t, at::ScalarType type) {
  return t.to(type).unsqueeze(-1).unsqueeze(-1);
}

}  // namespace

torch::Tensor group_norm_composed(const torch::Tensor& x, const torch::Tensor& weight,
                                  const torch::Tensor& bias, const GroupNormTask& task,
                                  const Modulation& modulation) {
  const auto type = accurate_type(x.scalar_type());
  auto h = x.to(type);
  // In channels-last LibTorch 1.13 has no tangents of it, and is slow on the CPU.
  if (h.device().is_cpu()) h = h.contiguous();
  if (modulation.add.defined()) h = h + over_pixels(modulation.add, type);
  h = torch::group_norm(h, task.groups, weight.to(type), bias.to(type), task.eps);
  if (modulation.scale.defined()) h = h * (1 + over_pixels(modulation.scale, type));
  if (modulation.shift.defined()) h = h + over_pixels(modulation.shift, type);
  return (task.activate ? torch::silu(h) : h).to(x.scalar_type());
}

NormBranch group_norm_branch(const torch::Tensor& x, const torch::Tensor& weight,
                             const torch::Tensor& bias, const GroupNormTask& task,
                             const Modulation& modulation) {
  const auto& [add, scale, shift] = modulation;
  RECORD_FUNCTION("halcyon::group_norm", std::vector<c10::IValue>());
  const auto single = [](const torch::Tensor& t) {
    return !t.defined() || t.scalar_type() == torch::kFloat32;
  };
  if (!single(weight) || !single(bias) || !single(add) || !single(scale) || !single(shift) ||
      !fits(x, task.groups) || !fusable({x, weight, bias, add, scale, shift})) {
    return {group_norm_composed(x, weight, bias, task, modulation), x};
  }
  const auto both =
      FusedGroupNorm::apply(ordered(x), weight.contiguous(), bias.contiguous(), table(add, x),
                            table(scale, x), table(shift, x), task.groups, task.eps, task.activate);
  return {both[0], both[1]};
}

torch::Tensor group_norm(const torch::Tensor& x, const torch::Tensor& weight,
                         const torch::Tensor& bias, const GroupNormTask& task,
                         const Modulation& modulation) {
  return group_norm_branch(x, weight, bias, task, modulation).normed;
}

}  // namespace halcyon
