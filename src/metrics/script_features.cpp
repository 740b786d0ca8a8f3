#include "metrics/script_features.h"

#include <fmt/format.h>
#include <torch/script.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "core/error.h"
#include "core/require.h"
#include "core/torch.h"
#include "metrics/clean_resize.h"

namespace halcyon {
namespace {

using Keywords = std::unordered_map<std::string, torch::jit::IValue>;

/// The line of a LibTorch error that says what is wrong.
std::string reason(const std::exception& error) {
  const auto* of_torch = dynamic_cast<const c10::Error*>(&error);
  std::istringstream text(of_torch ? of_torch->what_without_backtrace() : error.what());
  std::string line, last;
  while (std::getline(text, line)) {
    if (line.find_first_not_of(" ~<-.") == std::string::npos) continue;
    if (last.empty() || line.find("Error") != std::string::npos) last = line;
  }
  return last.substr(0, 300);
}

std::string shape_text(const torch::Tensor& x) {
  std::ostringstream text;
  text << x.sizes();
  return text.str();
}

std::string file_name(const ScriptOptions& options) {
  std::ifstream in(options.network, std::ios::binary);
  if (!in) {
    throw ConfigError(fmt::format("features.network: cannot read '{}'; want a TorchScript file",
                                  options.network));
  }
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  return fmt::format("{}, crc32 {:08x}", std::filesystem::path(options.network).filename().string(),
                     crc);
}

class ScriptFeatures final : public FeatureMap {
 public:
  ScriptFeatures(const ScriptOptions& options, torch::Device device)
      : options_(options), device_(device), name_(file_name(options)) {
    load();
    read_schema();
  }

  std::string name() const override {
    const auto scale = enum_names(options_.scale)[static_cast<size_t>(options_.scale)].second;
    return fmt::format("{}, {}, scale {}", name_,
                       options_.side == 0 ? "images as they are"
                                          : fmt::format("bicubic to {0}x{0}", options_.side),
                       scale);
  }

  bool classifies() const override { return returns_features_; }

  torch::Tensor features(const torch::Tensor& images) override {
    Keywords keywords;
    if (returns_features_) keywords["return_features"] = true;
    return run(images, keywords, "features");
  }

  torch::Tensor probabilities(const torch::Tensor& images) override {
    Keywords keywords;
    if (drops_bias_) keywords["no_output_bias"] = true;
    const auto p = run(images, keywords, "probabilities");
    if (p.min().item<double>() < -1e-3 || (p.sum(1) - 1).abs().max().item<double>() > 1e-2) {
      fail("its classes are no probabilities: want rows of numbers >= 0 that sum to 1");
    }
    return p.clamp_min(0);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw ConfigError(fmt::format("features.network: '{}': {}", options_.network, what));
  }

  void load() {
    try {
      module_ = torch::jit::load(options_.network, device_);
      module_.eval();
    } catch (const std::exception& error) {
      fail(fmt::format("cannot be loaded as TorchScript: {}", reason(error)));
    }
  }

  void read_schema() {
    const auto forward = module_.find_method("forward");
    if (!forward) fail("has no method forward");
    const auto& arguments = forward->function().getSchema().arguments();  // self, x, ...
    for (size_t i = 2; i < arguments.size(); ++i) {
      const auto& argument = arguments[i];
      returns_features_ |= argument.name() == "return_features";
      drops_bias_ |= argument.name() == "no_output_bias";
      if (!argument.default_value() && argument.name() != "return_features" &&
          argument.name() != "no_output_bias") {
        fail(
            fmt::format("its forward wants an argument '{}'; want forward(x) alone, or with "
                        "return_features and no_output_bias",
                        argument.name()));
      }
    }
    if (arguments.size() < 2) fail("its forward takes no image");
  }

  /// As the network wants it.
  torch::Tensor input(const torch::Tensor& images) const {
    auto x = images.to(device_, torch::kFloat32).add(1).mul_(127.5).round_().clamp_(0, 255);
    if (x.size(1) == 1) x = x.expand({-1, 3, -1, -1});
    if (options_.side > 0) x = clean_resize(x, options_.side);
    if (options_.scale == PixelScale::unit) return x / 255;
    return options_.scale == PixelScale::symmetric ? x / 127.5 - 1 : x;
  }

  torch::Tensor run(const torch::Tensor& images, const Keywords& keywords, const char* what) {
    const torch::NoGradGuard no_grad;
    const auto x = input(images);
    torch::jit::IValue result;
    try {
      result = module_.get_method("forward")({x}, keywords);
    } catch (const std::exception& error) {
      fail(fmt::format("fails on images of {}: {}", shape_text(x), reason(error)));
    }
    if (!result.isTensor()) {
      fail(fmt::format("gives {} for {}; want one tensor", result.tagKind(), what));
    }
    auto rows = result.toTensor();
    while (rows.dim() > 2 && rows.size(-1) == 1) rows = rows.squeeze(-1);
    if (rows.dim() != 2 || rows.size(0) != x.size(0)) {
      fail(fmt::format("gives {} of {} for {} images; want [{}, F]", what, shape_text(rows),
                       x.size(0), x.size(0)));
    }
    rows = rows.to(torch::kFloat32);
    if (!torch::isfinite(rows).all().item<bool>()) fail(fmt::format("{} are not finite", what));
    return rows;
  }

  ScriptOptions options_;
  torch::Device device_;
  std::string name_;
  torch::jit::Module module_;
  bool returns_features_ = false;
  bool drops_bias_ = false;
};

}  // namespace

std::unique_ptr<FeatureMap> load_script_features(const ScriptOptions& options,
                                                 torch::Device device) {
  require_option(options.side >= 0 && options.side <= 4096, "features.side",
                 "a whole number from 0 to 4096", options.side);
  return std::make_unique<ScriptFeatures>(options, device);
}

}  // namespace halcyon
