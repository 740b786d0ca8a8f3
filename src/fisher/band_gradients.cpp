#include "fisher/band_gradients.h"

#include "core/torch.h"

namespace halcyon {

namespace {

/// The members of a band in groups that go up and down through it, so that each has its middle.
std::vector<torch::Tensor> groups_of(const torch::Tensor& band) {
  const auto place = torch::arange(band.size(0)).remainder(2 * kLeastInBand);
  const auto group = torch::minimum(place, 2 * kLeastInBand - 1 - place).to(band.device());
  std::vector<torch::Tensor> groups;
  for (int64_t g = 0; g < kLeastInBand; ++g) groups.push_back(band.masked_select(group == g));
  return groups;
}

}  // namespace

std::vector<BandGradient> band_gradients(
    const torch::Tensor& sigma, int64_t bands,
    const std::function<torch::Tensor(const torch::Tensor& index)>& gradient) {
  TORCH_CHECK(bands > 0 && sigma.size(0) >= bands * kLeastInBand,
              "band_gradients: want images in each band");
  std::vector<BandGradient> found;
  for (const auto& band : sigma.argsort().tensor_split(bands)) {
    GradientMoments moments;
    double noise = 0;  // of a group over that of an image, the mean over groups
    for (const auto& group : groups_of(band)) {
      moments.add(gradient(group));
      noise += 1 / static_cast<double>(group.size(0) * kLeastInBand);
    }
    const auto levels = sigma.index_select(0, band);
    auto snr = moments.signal_to_noise();
    snr.value *= noise;
    snr.standard_error *= noise;
    found.push_back(
        {levels.min().item<double>(), levels.max().item<double>(), moments.signal(), snr});
  }
  return found;
}

}  // namespace halcyon
