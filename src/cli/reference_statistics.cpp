#include "cli/reference_statistics.h"

#include <fmt/format.h>

#include <cstring>
#include <sstream>

#include "core/error.h"
#include "core/torch.h"
#include "io/npz.h"

namespace halcyon {
namespace {

[[noreturn]] void refuse(const std::string& path, const std::string& what) {
  throw DataError(fmt::format("'{}': {}; want mu [F] and sigma [F, F] of features", path, what));
}

std::string shape_text(const torch::Tensor& x) {
  std::ostringstream text;
  text << x.sizes();
  return text.str();
}

torch::Tensor required(const TensorMap& arrays, const char* name, const std::string& path) {
  const auto found = arrays.find(name);
  if (found == arrays.end()) refuse(path, fmt::format("has no array '{}'", name));
  if (!found->second.is_floating_point())
    refuse(path, fmt::format("'{}' holds whole numbers", name));
  if (!torch::isfinite(found->second).all().item<bool>()) {
    refuse(path, fmt::format("'{}' is not finite", name));
  }
  return found->second;
}

}  // namespace

ReferenceFile read_reference(const std::string& path) {
  const auto arrays = read_npz(path);
  ReferenceFile file;
  auto& statistics = file.set.statistics;
  statistics.mean = required(arrays, "mu", path).to(torch::kFloat64);
  statistics.covariance = required(arrays, "sigma", path).to(torch::kFloat64);
  const auto f = statistics.mean.numel();
  if (statistics.mean.dim() != 1 || f == 0 || statistics.covariance.dim() != 2 ||
      statistics.covariance.size(0) != f || statistics.covariance.size(1) != f) {
    refuse(path, fmt::format("mu is {}, sigma {}", shape_text(statistics.mean),
                             shape_text(statistics.covariance)));
  }
  const auto count = arrays.find("count");
  if (count != arrays.end() && count->second.numel() == 1) {
    statistics.count = count->second.item().toLong();
  }
  const auto about = arrays.find("about");
  if (about != arrays.end() && about->second.scalar_type() == torch::kUInt8) {
    const auto bytes = about->second.contiguous();
    file.about.assign(static_cast<const char*>(bytes.data_ptr()), bytes.nbytes());
  }
  if (arrays.count("features") > 0) {
    const auto features = required(arrays, "features", path);
    if (features.dim() != 2 || features.size(1) != f) {
      refuse(path, fmt::format("features are {}, mu {}", shape_text(features),
                               shape_text(statistics.mean)));
    }
    file.set.features = features.to(torch::kFloat32);
  }
  return file;
}

void write_reference(const std::string& path, const ReferenceFile& file) {
  const auto& statistics = file.set.statistics;
  auto about = torch::empty({static_cast<int64_t>(file.about.size())}, torch::kUInt8);
  if (!file.about.empty()) std::memcpy(about.data_ptr(), file.about.data(), file.about.size());
  TensorMap arrays = {{"mu", statistics.mean.cpu()},
                      {"sigma", statistics.covariance.cpu()},
                      {"count", torch::tensor(statistics.count, torch::kInt64)},
                      {"about", about}};
  if (file.set.features) arrays["features"] = file.set.features->cpu();
  write_npz(path, arrays);
}

}  // namespace halcyon
