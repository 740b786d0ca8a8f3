#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>

#include "cli/film.h"
#include "cli/html.h"
#include "cli/report_sections.h"
#include "core/error.h"
#include "io/image_grid.h"

namespace halcyon {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kWidest = 1600;  // pixels of a picture in the report
constexpr int64_t kSmallWidest = 360;
constexpr size_t kMostPictures = 40;

/// What a picture shows, by the beginning of its file name.
struct Caption {
  const char* beginning;
  const char* words;
};
constexpr std::array kCaptions = {
    Caption{"denoising", "What the network makes of noise: noisy above denoised, over rising σ."},
    Caption{"fisher_information", "Fisher information J over noise levels, in model units."},
    Caption{"fisher_obs", "Observed Fisher map: the diagonal of −σ² ∇s, pixel by pixel."},
    Caption{"fisher", "Fisher map: σ² times the second moment of the score, pixel by pixel."},
    Caption{"error", "Error map: where the denoiser’s squared error lies."},
    Caption{"attention",
            "Attention: where an image surprises the model, and where its label tells, in nats."},
    Caption{"intrinsic_dimension", "Intrinsic dimension of the data, seen at each noise level."},
    Caption{"posterior_variance",
            "Posterior variance: what the noisy image leaves open, pixel by pixel."},
    Caption{"class", "Class map: where the label changes the score."},
    Caption{"sensitivity", "Sensitivity of the denoised image to each pixel."},
    Caption{"eigen",
            "Eigen-images: the directions in which noise and image are hardest to tell apart."},
    Caption{"reliability", "Reliability: predicted against measured denoising error."},
    Caption{"spectrum",
            "Spectrum of the mean denoiser Jacobian: the share of the noise left, by direction."},
};

/// Plots that the report draws itself.
bool is_redrawn(const std::string& name) {
  return name == "fisher_fraction.png" || name == "loss.png";
}

/// The PNG files below a folder, by path; none if it is not there.
std::vector<std::string> pictures_below(const std::string& folder) {
  std::vector<std::string> found;
  if (!fs::is_directory(folder)) return found;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && entry.path().extension() == ".png") {
      found.push_back(entry.path().string());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

/// Sample grids of the run, by step, and their paths.
std::map<int64_t, std::string> sample_grids(const std::string& folder) {
  std::map<int64_t, std::string> grids;
  if (!fs::is_directory(folder)) return grids;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const auto name = entry.path().stem().string();
    const bool named = entry.path().extension() == ".png" && name.rfind("step-", 0) == 0 &&
                       name.size() > 5 && name.size() < 20 &&
                       name.find_first_not_of("0123456789", 5) == std::string::npos;
    if (named) grids[std::stoll(name.substr(5))] = entry.path().string();
  }
  return grids;
}

/// A picture inlined over its caption; in its place the reason if it cannot be read.
std::string picture(const std::string& path, int64_t widest, const std::string& alternative,
                    const std::string& caption) {
  try {
    auto text =
        html::figure(html::data_uri("image/png", read_png(path, widest)), alternative, caption);
    return text.replace(0, std::string("<figure>").size(), "<figure class=\"pixels\">");
  } catch (const FileError& error) {
    return html::missing(html::escaped(error.what()));
  }
}

std::string caption_of(const std::string& path) {
  auto name = fs::path(path).stem().string();
  const auto known = std::find_if(kCaptions.begin(), kCaptions.end(), [&](const auto& caption) {
    return name.rfind(caption.beginning, 0) == 0;
  });
  const auto sigma = name.find("sigma_");
  auto words = known == kCaptions.end() ? html::escaped(name) : std::string(known->words);
  if (sigma != std::string::npos) {
    words += " At σ = " + html::escaped(name.substr(sigma + 6)) + ".";
  }
  return words;
}

/// The maps of the latest step, then the run's pictures and those of `halcyon fisher`.
std::vector<std::string> chosen_pictures(const std::string& folder) {
  std::vector<std::string> chosen;
  auto maps = pictures_below(folder + "/maps");
  const auto latest = maps.empty() ? "" : fs::path(maps.back()).parent_path().string();
  for (const auto& path : maps) {
    if (fs::path(path).parent_path().string() == latest) chosen.push_back(path);
  }
  std::map<std::string, std::string> by_name;  // the newest of each name
  for (const auto* part : {"/plots", "/fisher"}) {
    for (const auto& path : pictures_below(folder + part)) {
      const auto name = fs::path(path).filename().string();
      if (is_redrawn(name)) continue;
      const auto found = by_name.find(name);
      if (found == by_name.end() ||
          fs::last_write_time(found->second) <= fs::last_write_time(path)) {
        by_name[name] = path;
      }
    }
  }
  for (const auto& [name, path] : by_name) chosen.push_back(path);
  return chosen;
}

}  // namespace

std::string film_figure(const std::string& folder) {
  const auto path = folder + "/samples/film.safetensors";
  if (!fs::is_regular_file(path)) return "";
  try {
    const auto film = read_film(path);
    const auto count = film.frames.size(0);
    if (count < 2) return "";
    return html::film(
        html::data_uri("image/png", png_bytes(film_strip(film))), count,
        "samples on their way, frame by frame",
        fmt::format("<b>Trajectory</b> of the first {} at step {}: what the model takes each for, "
                    "D(x; σ), as σ falls from {:.3g}; at the end the samples.",
                    film.frames.size(1), film.step, film.sigmas.front()));
  } catch (const UserError& error) {
    return html::missing(html::escaped(error.what()));
  }
}

std::string last_sample_grid(const std::string& folder, const std::string& heading) {
  const auto grids = sample_grids(folder + "/samples");
  if (grids.empty()) return html::missing(heading + ": no sample grid.");
  const auto& [step, path] = *grids.rbegin();
  return picture(path, kWidest, fmt::format("samples at step {}", step),
                 fmt::format("{}, step {}", heading, step));
}

std::string samples_section(const ReportData& data) {
  const auto grids = sample_grids(data.folder + "/samples");
  if (grids.empty()) {
    return html::section("Samples", html::missing("No sample grids yet: train with "
                                                  "<code>--run.sample_every N</code>."));
  }
  std::vector<std::pair<int64_t, std::string>> earlier(grids.begin(), std::prev(grids.end()));
  std::string small;
  const auto count = std::min<size_t>(6, earlier.size());
  for (size_t i = 0; i < count; ++i) {
    const auto& [step, path] = earlier[count == 1 ? 0 : i * (earlier.size() - 1) / (count - 1)];
    small += picture(path, kSmallWidest, fmt::format("samples at step {}", step),
                     fmt::format("step {}", step));
  }
  const auto& [step, path] = *grids.rbegin();
  const auto large =
      picture(path, kWidest, fmt::format("samples at step {}", step),
              fmt::format("<b>Step {}</b>, EMA weights; the same noise at every step.", step));
  if (!small.empty()) small = fmt::format("<div class=\"thumbnails\">\n{}</div>\n", small);
  return html::section("Samples", html::row(large + film_figure(data.folder) + small));
}

std::string pictures_section(const ReportData& data) {
  const auto chosen = chosen_pictures(data.folder);
  if (chosen.empty()) return "";
  std::string figures;
  for (size_t i = 0; i < std::min(chosen.size(), kMostPictures); ++i) {
    const auto name = fs::path(chosen[i]).lexically_relative(data.folder).string();
    figures +=
        picture(chosen[i], kWidest, name,
                fmt::format("{} <code>{}</code>", caption_of(chosen[i]), html::escaped(name)));
  }
  if (chosen.size() > kMostPictures) {
    figures += html::missing(
        fmt::format("{} more pictures are in the folder.", chosen.size() - kMostPictures));
  }
  return html::section("Pictures", html::row(figures));
}

}  // namespace halcyon
