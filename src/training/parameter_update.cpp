#include "training/parameter_update.h"

#include <ATen/record_function.h>

#include <cmath>

#include "core/torch.h"
#include "kernels/adamw_loops.h"
#include "kernels/cuda/device_work.h"
#include "kernels/fusion.h"
#include "kernels/parallel.h"
#include "training/adamw.h"

namespace halcyon {
namespace {

/// Numbers a thread of the CPU, or a block of threads of a GPU, works on at a time: the same
/// whatever the threads, so that sums are too.
constexpr int64_t kPiece = 1 << 15;
constexpr int64_t kDevicePiece = 1 << 13;

struct Piece {
  const FlatParameters::Slot* slot;
  int64_t begin;  ///< in the slot
  int64_t count;
};

std::vector<Piece> pieces_of(const FlatParameters& parameters) {
  const int64_t most = parameters.values().is_cuda() ? kDevicePiece : kPiece;
  std::vector<Piece> pieces;
  for (const auto& slot : parameters.slots()) {
    for (int64_t begin = 0; begin < slot.count(); begin += most) {
      pieces.push_back({&slot, begin, std::min(most, slot.count() - begin)});
    }
  }
  return pieces;
}

/// The gradient of a slot, in the memory order of the flat vector; undefined: none.
torch::Tensor gradient_of(const FlatParameters::Slot& slot, const FlatParameters& parameters) {
  return parameters.collected().defined() ? slot.view(parameters.collected())
                                          : slot.parameter.grad();
}

/// work(gradient, piece) with the gradient a pointer to its numbers: of zeros if there is none.
template <class Work>
void for_each_piece(const FlatParameters& parameters, const Work& work) {
  const auto pieces = pieces_of(parameters);
  static const std::vector<float> zeros(kPiece, 0.0F);
  parallel_for(static_cast<int64_t>(pieces.size()), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto& piece = pieces[static_cast<size_t>(i)];
      const auto gradient = gradient_of(*piece.slot, parameters);
      if (!gradient.defined()) {
        work(zeros.data(), piece, i);
      } else if (gradient.scalar_type() == torch::kBFloat16) {
        work(static_cast<const simd::BFloat16*>(gradient.data_ptr()) + piece.begin, piece, i);
      } else {
        work(gradient.data_ptr<float>() + piece.begin, piece, i);
      }
    }
  });
}

/// Whether tensors of one shape lie in memory in the same order.
bool same_order(const torch::Tensor& a, const torch::Tensor& b) {
  for (int64_t dim = 0; dim < a.dim(); ++dim) {
    if (a.size(dim) > 1 && a.stride(dim) != b.stride(dim)) return false;
  }
  return true;
}

/// Whether every parameter and gradient lies in memory as its slot does, in float32 or bfloat16, on
/// the CPU or where there are kernels for it.
bool direct(const FlatParameters& parameters) {
  const auto& values = parameters.values();
  if (!fusable({values}) || values.scalar_type() != torch::kFloat32) return false;
  for (const auto& slot : parameters.slots()) {
    const auto view = slot.view(values);
    const bool copy = slot.parameter.scalar_type() == torch::kBFloat16;
    if (!copy && slot.parameter.data_ptr() != view.data_ptr()) return false;
    if (!same_order(slot.parameter, view)) return false;
    const auto gradient = gradient_of(slot, parameters);
    if (!gradient.defined()) continue;
    if (!same_order(gradient, view)) return false;
    const bool aligned = cuda::is_aligned(gradient) && cuda::is_aligned(slot.parameter);
    if (gradient.is_cuda() && !aligned) return false;
  }
  return true;
}

/// The gradient as one vector laid out as the values.
torch::Tensor flat_gradient(const FlatParameters& parameters) {
  if (parameters.collected().defined()) return parameters.collected();
  auto flat = torch::zeros_like(parameters.values());
  for (const auto& slot : parameters.slots()) {
    const auto gradient = slot.parameter.grad();
    if (gradient.defined()) slot.view(flat).copy_(gradient);
  }
  return flat;
}

AdamWStep adamw_step(const OptimizerOptions& options, double norm, const UpdateTime& time,
                     const std::vector<float>& new_share) {
  const auto n = static_cast<double>(time.step);
  const double limit = options.gradient_clip;
  return {.gradient_scale = static_cast<float>(limit > 0 && norm > limit ? limit / norm : 1.0),
          .beta1 = static_cast<float>(options.beta1),
          .beta2 = static_cast<float>(options.beta2),
          .new1 = static_cast<float>(1 - options.beta1),
          .new2 = static_cast<float>(1 - options.beta2),
          .root_scale = static_cast<float>(1 / std::sqrt(1 - std::pow(options.beta2, n))),
          .epsilon = static_cast<float>(options.epsilon),
          .rate = static_cast<float>(time.rate / (1 - std::pow(options.beta1, n))),
          .kept = static_cast<float>(1 - time.rate * options.weight_decay),
          .averages = static_cast<int64_t>(new_share.size()),
          .new_share = new_share.data()};
}

/// The pieces as a GPU reads them, in its memory.
class DevicePieces {
 public:
  explicit DevicePieces(const FlatParameters& parameters) {
    const auto pieces = pieces_of(parameters);
    count_ = static_cast<int64_t>(pieces.size());
    constexpr auto kBytes = static_cast<int64_t>(sizeof(cuda::AdamWPiece));
    const auto host =
        torch::empty({count_ * kBytes}, torch::TensorOptions(torch::kUInt8).pinned_memory(true));
    auto* to = reinterpret_cast<cuda::AdamWPiece*>(host.data_ptr());
    for (const auto& piece : pieces) *to++ = on_device(piece, parameters);
    pieces_ = host.to(parameters.values().device(), /*non_blocking=*/true);
  }

  int64_t count() const { return count_; }
  const cuda::AdamWPiece* data() const {
    return static_cast<const cuda::AdamWPiece*>(pieces_.data_ptr());
  }

 private:
  static cuda::AdamWPiece on_device(const Piece& piece, const FlatParameters& parameters) {
    const auto gradient = gradient_of(*piece.slot, parameters);
    const auto& parameter = piece.slot->parameter;
    const auto address = [&](const torch::Tensor& t) {
      return static_cast<char*>(t.data_ptr()) + piece.begin * t.element_size();
    };
    cuda::AdamWPiece found = {};
    found.at = piece.slot->offset + piece.begin;
    found.count = static_cast<int32_t>(piece.count);
    if (gradient.defined()) {
      found.gradient = address(gradient);
      found.half = gradient.scalar_type() == torch::kBFloat16;
    }
    if (parameter.scalar_type() == torch::kBFloat16) {
      found.rounded = reinterpret_cast<simd::BFloat16*>(address(parameter));
    }
    return found;
  }

  int64_t count_;
  torch::Tensor pieces_;
};

double device_gradient_norm(const FlatParameters& parameters) {
  const auto device = parameters.values().device();
  const cuda::DeviceWork work(device);
  const DevicePieces pieces(parameters);
  const auto squares =
      torch::empty({pieces.count()}, torch::TensorOptions(torch::kFloat64).device(device));
  cuda::sums_of_squares(pieces.data(), pieces.count(), squares.data_ptr<double>(), work.stream());
  return squares.sum().sqrt().item<double>();
}

void update_on_device(FlatParameters& parameters, AdamW& optimizer, std::vector<Ema>& averages,
                      const AdamWStep& step) {
  cuda::AdamWArrays arrays = {};
  arrays.value = parameters.values().data_ptr<float>();
  arrays.mean = optimizer.mean.data_ptr<float>();
  arrays.square = optimizer.square.data_ptr<float>();
  for (size_t i = 0; i < averages.size(); ++i) {
    arrays.averages[i] = averages[i].average.data_ptr<float>();
    arrays.new_share[i] = step.new_share[i];
  }
  arrays.step = step;
  const cuda::DeviceWork work(parameters.values().device());
  const DevicePieces pieces(parameters);
  cuda::adamw_update(pieces.data(), pieces.count(), arrays, work.stream());
}

void update_in_one_pass(FlatParameters& parameters, AdamW& optimizer, std::vector<Ema>& averages,
                        const OptimizerOptions& options, double norm, const UpdateTime& time) {
  std::vector<float> new_share;
  std::vector<float*> average_data;
  for (auto& ema : averages) {
    new_share.push_back(static_cast<float>(ema.new_share(time.batch, time.images)));
    average_data.push_back(ema.average.data_ptr<float>());
  }
  const auto step = adamw_step(options, norm, time, new_share);
  if (parameters.values().is_cuda()) {
    update_on_device(parameters, optimizer, averages, step);
    return;
  }
  float* value = parameters.values().data_ptr<float>();
  float* mean = optimizer.mean.data_ptr<float>();
  float* square = optimizer.square.data_ptr<float>();
  for_each_piece(parameters, [&](const auto* gradient, const Piece& piece, int64_t) {
    const auto& parameter = piece.slot->parameter;
    const int64_t at = piece.slot->offset + piece.begin;
    std::vector<float*> at_average;
    for (float* data : average_data) at_average.push_back(data + at);
    simd::BFloat16* rounded = nullptr;
    if (parameter.scalar_type() == torch::kBFloat16) {
      rounded = static_cast<simd::BFloat16*>(parameter.data_ptr()) + piece.begin;
    }
    using Gradient = std::remove_cv_t<std::remove_pointer_t<decltype(gradient)>>;
    adamw_update(AdamWSlice<Gradient>{piece.count, gradient, value + at, mean + at, square + at,
                                      at_average.data(), rounded},
                 step);
  });
}

}  // namespace

double gradient_norm(const FlatParameters& parameters) {
  if (!direct(parameters)) return flat_gradient(parameters).norm().item<double>();
  if (parameters.values().is_cuda()) return device_gradient_norm(parameters);
  std::vector<double> squares(pieces_of(parameters).size());
  for_each_piece(parameters, [&](const auto* gradient, const Piece& piece, int64_t i) {
    squares[static_cast<size_t>(i)] = sum_of_squares(gradient, piece.count);
  });
  double total = 0;
  for (const double square : squares) total += square;
  return std::sqrt(total);
}

void update_parameters(FlatParameters& parameters, Optimizer& optimizer, std::vector<Ema>& averages,
                       const OptimizerOptions& options, double norm, const UpdateTime& time) {
  RECORD_FUNCTION("halcyon::update_parameters", std::vector<c10::IValue>());
  const torch::NoGradGuard no_grad;
  const bool fits = !parameters.values().is_cuda() ||
                    static_cast<int64_t>(averages.size()) <= cuda::kMostAverages;
  auto* adamw = dynamic_cast<AdamW*>(&optimizer);
  if (adamw != nullptr && fits && direct(parameters)) {
    update_in_one_pass(parameters, *adamw, averages, options, norm, time);
    return;
  }
  const auto gradient = flat_gradient(parameters);
  if (!optimizer.observes()) clip_gradient(gradient, norm, options.gradient_clip);
  optimizer.update({parameters.values(), gradient, time.rate, time.step, time.objective}, options);
  for (auto& ema : averages) ema.update(parameters.values(), time.batch, time.images);
  parameters.refresh_copies();
}

}  // namespace halcyon
