#include "core/layer_tap.h"

namespace halcyon {
namespace {

thread_local LayerTap* current = nullptr;

}  // namespace

ScopedLayerTap::ScopedLayerTap(LayerTap& tap) {
  TORCH_CHECK(current == nullptr, "a layer tap within another");
  current = &tap;
}

ScopedLayerTap::~ScopedLayerTap() { current = nullptr; }

torch::Tensor tapped(const AffineCall& call) {
  if (current == nullptr || !call.y.requires_grad()) return call.y;
  current->see(call);
  return call.y.clone();
}

}  // namespace halcyon
