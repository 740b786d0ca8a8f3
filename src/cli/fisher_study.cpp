#include "cli/fisher_study.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "cli/evaluation_data.h"
#include "core/error.h"
#include "core/random.h"
#include "core/torch.h"
#include "io/atomic_file.h"
#include "io/safetensors.h"

namespace halcyon {

FisherStudy::FisherStudy(const ImageSet& set, const FisherOptions& options, const ModelRange& range,
                         uint64_t seed, torch::Device device)
    : images_(set.images),
      order_(image_order(set.images.size(0), seed)),
      options_(options),
      sigmas_(log_spaced_levels(std::max(options.sigma_min, range.sigma_min),
                                std::min(options.sigma_max, range.sigma_max), options.levels)),
      count_(std::min(options.images, set.images.size(0))),
      seed_(seed),
      device_(device) {}

void FisherStudy::require_enough_images() const {
  if (count_ < 4) throw DataError(fmt::format("fisher: want at least 4 images, got {}", count_));
}

Levels FisherStudy::levels() const {
  const bool enough = count_ * static_cast<int64_t>(sigmas_.size()) <= images_.size(0);
  return enough ? Levels::independent : Levels::share_images;
}

torch::Tensor FisherStudy::chosen(int64_t first, int64_t count) const {
  const auto position = torch::arange(first, first + count).remainder(order_.size(0));
  return to_model_units(images_.index_select(0, order_.index_select(0, position))).to(device_);
}

torch::Tensor FisherStudy::random_images(int64_t count, at::Generator& rng) const {
  const auto index = torch::randint(images_.size(0), {count}, rng, torch::kInt64);
  return to_model_units(images_.index_select(0, index)).to(device_);
}

torch::Tensor FisherStudy::panel(int64_t count) const {
  return chosen(0, std::min(count, images_.size(0)));
}

FisherStudy::LabelledPanel FisherStudy::labelled_panel(int64_t count,
                                                       const torch::Tensor& labels) const {
  const auto x0 = panel(count);
  if (!labels.defined()) return {x0, labels};
  return {x0, labels.index_select(0, order_.narrow(0, 0, x0.size(0)))};
}

void FisherStudy::for_each_batch(size_t k,
                                 const std::function<void(const Batch&)>& on_batch) const {
  const auto level = static_cast<int64_t>(k);
  auto rng = make_generator(seed_, "fisher noise", level, device_);
  const auto options = torch::TensorOptions(torch::kFloat32).device(device_);
  std::vector<int64_t> shape = images_.sizes().vec();
  shape[0] = count_;
  const auto noise = torch::randn(shape, rng, options);
  for (int64_t begin = 0; begin < count_; begin += options_.batch) {
    const int64_t size = std::min(options_.batch, count_ - begin);
    on_batch({chosen(level * count_ + begin, size), noise.narrow(0, begin, size)});
  }
}

FisherLevel FisherStudy::empty_level(size_t k, const torch::Tensor& mean_image) const {
  return {sigmas_[k], dim(), options_.probes, ControlVariates::regression, mean_image};
}

FisherLevel FisherStudy::measure(Denoiser& denoiser, size_t k,
                                 const torch::Tensor& mean_image) const {
  auto level = empty_level(k, mean_image);
  auto probe_rng = make_generator(seed_, "fisher probes", static_cast<int64_t>(k), device_);
  for_each_batch(
      k, [&](const Batch& batch) { level.add(denoiser, batch.x0, batch.noise, probe_rng); });
  return level;
}

std::vector<FisherEstimates> measure_levels(Denoiser& denoiser, const FisherStudy& study,
                                            const torch::Tensor& mean_image,
                                            const std::function<void(int64_t)>& on_level) {
  std::vector<FisherEstimates> levels;
  for (size_t k = 0; k < study.sigmas().size(); ++k) {
    levels.push_back(study.measure(denoiser, k, mean_image).estimates());
    on_level(static_cast<int64_t>(k) + 1);
  }
  return levels;
}

LevelStore::LevelStore(std::string folder, std::string key)
    : folder_(std::move(folder)), key_(std::move(key)) {
  make_directory(folder_);
}

std::string LevelStore::file(size_t k) const {
  return fmt::format("{}/{:03}.safetensors", folder_, k);
}

bool LevelStore::load(size_t k, FisherLevel& level) const {
  if (!std::filesystem::exists(file(k))) return false;
  try {
    const auto kept = read_safetensors(file(k));
    const auto found = kept.metadata.find("halcyon.level");
    if (found == kept.metadata.end() || found->second != key_) return false;
    level.load(kept.tensors);
    return true;
  } catch (const CheckpointError&) {
    return false;  // damaged: measured again
  }
}

void LevelStore::save(size_t k, const FisherLevel& level) const {
  write_safetensors(file(k), level.state(), {{"halcyon.level", key_}});
}

torch::Tensor mean_image(const ImageSet& set) {
  torch::Tensor sum;
  for (const auto& part : set.images.split(1024)) {  // the whole set in float64 may not fit
    const auto x = to_model_units(part).sum(0, /*keepdim=*/false, torch::kFloat64);
    sum = sum.defined() ? sum + x : x;
  }
  return (sum / static_cast<double>(set.images.size(0))).to(torch::kFloat32);
}

}  // namespace halcyon
