#include <fmt/format.h>
#include <torch/torch.h>

#include <nlohmann/json.hpp>

#include "cli/command_line.h"
#include "cli/data_loading.h"
#include "cli/estimate_text.h"
#include "cli/evaluation_data.h"
#include "cli/machine.h"
#include "core/error.h"
#include "core/random.h"
#include "core/require.h"
#include "data/image_set.h"
#include "io/atomic_file.h"
#include "io/safetensors.h"
#include "metrics/set_distances.h"

namespace halcyon {
namespace {

struct CompareCommand {
  CommonOptions common;
  std::string samples;
  int64_t count = 0;
  int64_t projections = 512;
  int64_t resamples = 16;
  uint64_t seed = 0;
  std::string out;
  MachineOptions machine;
  DataOptions data;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    CommonOptions::fields(self.common, field);
    field(self.samples, "samples",
          "X.safetensors of `halcyon sample`, or a folder of images or what else data.path may be");
    field(self.count, "count", "images of each set; 0: as many as the smaller has");
    field(self.projections, "projections", "directions of the sliced Wasserstein distance, > 0");
    field(self.resamples, "resamples", "of the bootstrap that gives the errors, >= 2");
    field(self.seed, "seed", "chooses reference images, directions and resamples");
    field(self.out, "out", "JSON file to write; empty: none");
  }
  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("run", self.machine);
    section("data", self.data);
  }
};

constexpr const char* kUsage =
    "halcyon compare --samples SAMPLES --data.path REFERENCE [--data.split test] [--key value ...]";

void check_options(const CompareCommand& o) {
  require_option(!o.samples.empty(), "--samples", "samples to compare", o.samples);
  require_option(!o.data.path.empty(), "--data.path", "a reference set", o.data.path);
  require_option(o.count >= 0, "--count", "a whole number >= 0", o.count);
  require_option(o.projections > 0, "--projections", "a whole number > 0", o.projections);
  require_option(o.resamples >= 2, "--resamples", "a whole number >= 2", o.resamples);
}

torch::Tensor load_samples(const CompareCommand& command) {
  if (command.samples.ends_with(".safetensors")) {
    const auto tensors = read_safetensors(command.samples).tensors;
    const auto found = tensors.find("samples");
    if (found == tensors.end() || found->second.dim() != 4) {
      throw FileError(fmt::format("'{}': want a tensor 'samples', [N, C, H, W]", command.samples));
    }
    return found->second;
  }
  DataOptions options = command.data;
  options.path = command.samples;
  options.split = DataSplit::all;
  options.labels = false;
  return to_model_units(load_with_warnings(options).images);
}

struct Sets {
  torch::Tensor samples, reference;  // [N, C, H, W] of one N, in model units
};

Sets load_sets(const CompareCommand& command, torch::Device device) {
  auto samples = load_samples(command);
  auto options = command.data;
  options.labels = false;
  const auto set = load_with_warnings(options);
  if (samples.sizes().slice(1) != set.images.sizes().slice(1)) {
    throw DataError(fmt::format("--samples has images of {}, data.path of {}; want one shape",
                                fmt::join(samples.sizes().slice(1), "x"),
                                fmt::join(set.images.sizes().slice(1), "x")));
  }
  const int64_t most = std::min(samples.size(0), set.images.size(0));
  const int64_t count = command.count == 0 ? most : command.count;
  if (count < 2 || count > most) {
    throw ConfigError(fmt::format("--count: {}, but there are {} samples and {} reference images",
                                  command.count, samples.size(0), set.images.size(0)));
  }
  const auto reference = choose_images(set, count, command.seed, Dequantization::none).x0;
  return {samples.slice(0, 0, count).to(device), reference.to(device)};
}

}  // namespace

int compare_command(const Arguments& arguments) {
  CompareCommand command;
  if (!parse_command_line(kUsage, command, arguments)) return 0;
  check_options(command);
  const auto device = set_up_machine(command.machine);
  const auto [samples, reference] = load_sets(command, device);
  const auto sliced = [&](const torch::Tensor& a, const torch::Tensor& b) {
    return sliced_wasserstein(a, b, command.projections,
                              make_generator(command.seed, "directions"));
  };
  const auto error_of = [&](auto&& distance, const torch::Tensor& a, const torch::Tensor& b) {
    const auto d = with_bootstrap_error(distance, a, b, command.resamples,
                                        make_generator(command.seed, "bootstrap"));
    return Estimate{d.value, d.standard_error, a.size(0)};
  };
  const auto sw2 = error_of(sliced, samples, reference);
  const auto frechet =
      error_of(frechet_distance, random_features(samples), random_features(reference));
  fmt::print(
      "{} samples against {} images of {}\n"
      "sliced Wasserstein-2             {}\n"
      "Frechet distance, random features  {}\n",
      samples.size(0), reference.size(0), command.data.path, with_error(sw2), with_error(frechet));
  if (!command.out.empty()) {
    const nlohmann::ordered_json summary = {
        {"samples", command.samples},
        {"reference", command.data.path},
        {"split", to_text(command.data.split)},
        {"count", samples.size(0)},
        {"sliced_wasserstein", {{"value", sw2.value}, {"standard_error", sw2.standard_error}}},
        {"frechet_random_features",
         {{"value", frechet.value}, {"standard_error", frechet.standard_error}}}};
    write_file_atomically(command.out, summary.dump(2) + "\n");
  }
  return 0;
}

}  // namespace halcyon
