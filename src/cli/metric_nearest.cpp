#include <fmt/format.h>

#include <algorithm>

#include "cli/metric_job.h"
#include "cli/pictures.h"
#include "cli/progress.h"
#include "core/error.h"
#include "core/torch.h"
#include "data/image_set.h"
#include "io/image_grid.h"
#include "io/table.h"
#include "metrics/nearest_neighbours.h"

namespace halcyon {
namespace {

torch::Tensor as_pixels(const torch::Tensor& images) {
  return images.is_floating_point() ? to_pixels(images) : images;
}

/// The neighbours of images in the space that the options name.
class Search {
 public:
  Search(const MetricJob& job, const torch::Tensor& training, int64_t k)
      : job_(job), training_(in_space(training, "training features")), k_(k) {}

  NearestNeighbours operator()(const torch::Tensor& images, const std::string& label) const {
    const auto rows = in_space(images, label + " features");
    Progress progress("nearest to " + label, "images", rows.size(0));
    return nearest_neighbours(rows, training_, k_, [&](int64_t done) { progress.update(done); });
  }

 private:
  torch::Tensor in_space(const torch::Tensor& images, const std::string& label) const {
    if (job_.options.nearest == NearestSpace::pixels) return images;
    return map_images(job_.map, images, FeatureKind::features, label);
  }

  const MetricJob& job_;
  torch::Tensor training_;
  int64_t k_;
};

/// A row a sample, the most suspicious first.
void write_table(const std::string& path, const NearestNeighbours& found,
                 const torch::Tensor& ratio, const torch::Tensor& order) {
  Table table{.columns = {"sample", "training_image", "distance", "ratio"}};
  for (int64_t i = 0; i < order.size(0); ++i) {
    const auto sample = order[i].item<int64_t>();
    table.rows.push_back({static_cast<double>(sample),
                          static_cast<double>(found.indices[sample][0].item<int64_t>()),
                          found.distances[sample][0].item<double>(), ratio[sample].item<double>()});
  }
  write_csv(path, table);
}

void write_picture(const MetricJob& job, const torch::Tensor& training,
                   const NearestNeighbours& found, const torch::Tensor& ratio,
                   const torch::Tensor& order) {
  std::vector<std::string> captions = {"sample", "nearest"};
  for (int64_t k = 2; k <= found.indices.size(1); ++k) captions.push_back(fmt::format("{}.", k));
  std::vector<LabelledRow> rows;
  for (int64_t i = 0; i < std::min(job.options.shown, order.size(0)); ++i) {
    const auto sample = order[i].item<int64_t>();
    const auto images = torch::cat(
        {job.samples.narrow(0, sample, 1), training.index_select(0, found.indices[sample])});
    rows.push_back({fmt::format("{}\nratio {:.2f}", sample, ratio[sample].item<double>()),
                    as_pixels(images).to(torch::kCPU)});
  }
  write_png(job.out + "/nearest.png",
            labelled_rows(rows, captions, picture_scale(training.size(2))));
}

Estimate share(const NearestNeighbours& found) {
  const auto measured = copy_share(found);
  return {measured.value, measured.standard_error, found.distances.size(0)};
}

}  // namespace

std::vector<MetricRow> measure_nearest(const MetricJob& job) {
  const auto training = job.training().to(job.samples.device());
  if (training.size(0) < 3 || training.sizes().slice(1) != job.samples.sizes().slice(1)) {
    throw DataError("nearest: want at least 3 training images of the samples' shape");
  }
  const auto k = std::min(job.options.neighbours, training.size(0));
  const Search search(job, training, k);
  const auto found = search(job.samples, "samples");
  const auto ratio = nearest_ratio(found);
  const auto order = ratio.argsort();
  write_table(job.out + "/nearest.csv", found, ratio, order);
  write_picture(job, training, found, ratio, order);
  std::vector<MetricRow> rows = {{"copies", "copies of training images", share(found)}};
  if (!job.reference_is_held_out) return rows;
  const auto control = search(job.reference, "held-out images");
  rows.push_back({"copies_held_out", "  among held-out images", share(control)});
  rows.push_back({"copying_z",
                  "nearness to training images, z",
                  {copying_z(found, control), 1, found.distances.size(0)},
                  "0 for fresh data, below -3 for copies"});
  return rows;
}

}  // namespace halcyon
