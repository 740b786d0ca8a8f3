#include "cli/training_data.h"

#include "cli/data_loading.h"
#include "cli/fisher_study.h"
#include "core/torch.h"

namespace halcyon {

TrainingData::TrainingData(DataOptions options, std::optional<ImageSet> images)
    : options_(std::move(options)), images_(std::move(images)) {}

const ImageSet& TrainingData::images() {
  if (!images_) images_ = load_with_warnings(options_);
  return *images_;
}

const torch::Tensor& TrainingData::mean() {
  if (!mean_.defined()) mean_ = mean_image(images());
  return mean_;
}

const FisherReference& TrainingData::reference() {
  if (!reference_) reference_ = fisher_reference(images(), options_.path);
  return *reference_;
}

}  // namespace halcyon
