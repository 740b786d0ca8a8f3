#include "training/parameter_update.h"

#include <ATen/record_function.h>
#include <torch/torch.h>

#include <cmath>

#include "kernels/adamw_loops.h"
#include "kernels/parallel.h"

namespace halcyon {
namespace {

/// Numbers a thread works on at a time: the same whatever the threads, so that sums are too.
constexpr int64_t kPiece = 1 << 15;

struct Piece {
  const FlatParameters::Slot* slot;
  int64_t begin;  ///< in the slot
  int64_t count;
};

std::vector<Piece> pieces_of(const FlatParameters& parameters) {
  std::vector<Piece> pieces;
  for (const auto& slot : parameters.slots()) {
    for (int64_t begin = 0; begin < slot.count(); begin += kPiece) {
      pieces.push_back({&slot, begin, std::min(kPiece, slot.count() - begin)});
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

/// Whether every parameter and gradient lies in memory as its slot does, in float32 or bfloat16 on
/// the CPU.
bool direct(const FlatParameters& parameters) {
  const auto& values = parameters.values();
  if (!values.device().is_cpu() || values.scalar_type() != torch::kFloat32) return false;
  for (const auto& slot : parameters.slots()) {
    const auto view = slot.view(values);
    const bool copy = slot.parameter.scalar_type() == torch::kBFloat16;
    if (!copy && slot.parameter.data_ptr() != view.data_ptr()) return false;
    if (!same_order(slot.parameter, view)) return false;
    const auto gradient = gradient_of(slot, parameters);
    if (gradient.defined() && !same_order(gradient, view)) return false;
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

void update_in_one_pass(FlatParameters& parameters, AdamW& optimizer, std::vector<Ema>& averages,
                        const OptimizerOptions& options, double norm, const UpdateTime& time) {
  std::vector<float> new_share;
  std::vector<float*> average_data;
  for (auto& ema : averages) {
    new_share.push_back(static_cast<float>(ema.new_share(time.batch, time.images)));
    average_data.push_back(ema.average.data_ptr<float>());
  }
  const auto step = adamw_step(options, norm, time, new_share);
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
  std::vector<double> squares(pieces_of(parameters).size());
  for_each_piece(parameters, [&](const auto* gradient, const Piece& piece, int64_t i) {
    squares[static_cast<size_t>(i)] = sum_of_squares(gradient, piece.count);
  });
  double total = 0;
  for (const double square : squares) total += square;
  return std::sqrt(total);
}

void update_parameters(FlatParameters& parameters, AdamW& optimizer, std::vector<Ema>& averages,
                       const OptimizerOptions& options, double norm, const UpdateTime& time) {
  RECORD_FUNCTION("halcyon::update_parameters", std::vector<c10::IValue>());
  const torch::NoGradGuard no_grad;
  if (direct(parameters)) {
    update_in_one_pass(parameters, optimizer, averages, options, norm, time);
    return;
  }
  const auto gradient = flat_gradient(parameters);
  clip_gradient(gradient, norm, options.gradient_clip);
  optimizer.update(parameters.values(), gradient, options, time.rate, time.step);
  for (auto& ema : averages) ema.update(parameters.values(), time.batch, time.images);
  parameters.refresh_copies();
}

}  // namespace halcyon
