#include "fisher/band_gradients.h"

#include <torch/torch.h>

namespace halcyon {

std::vector<BandGradient> band_gradients(
    const torch::Tensor& sigma, int64_t bands,
    const std::function<torch::Tensor(const torch::Tensor& index)>& gradient) {
  TORCH_CHECK(bands > 0 && sigma.size(0) >= bands * kLeastInBand,
              "band_gradients: want images in each band");
  std::vector<BandGradient> found;
  for (const auto& band : sigma.argsort().tensor_split(bands)) {
    GradientMoments moments;
    for (int64_t group = 0; group < kLeastInBand; ++group) {
      moments.add(gradient(band.slice(0, group, band.size(0), kLeastInBand)));
    }
    const auto levels = sigma.index_select(0, band);
    auto snr = moments.signal_to_noise();
    const double in_group = static_cast<double>(band.size(0)) / static_cast<double>(kLeastInBand);
    snr.value /= in_group;
    snr.standard_error /= in_group;
    found.push_back(
        {levels.min().item<double>(), levels.max().item<double>(), moments.signal(), snr});
  }
  return found;
}

}  // namespace halcyon
