#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/bench_job.h"
#include "cli/bench_report.h"
#include "cli/command_line.h"
#include "cli/interrupt.h"
#include "cli/machine.h"
#include "cli/network_flops.h"
#include "cli/progress.h"
#include "core/registry.h"
#include "core/require.h"
#include "core/torch.h"
#include "io/atomic_file.h"
#include "io/process_memory.h"
#include "kernels/cuda/device_memory.h"

namespace halcyon {
namespace {

struct BenchCommand {
  CommonOptions common;
  std::string config;
  std::vector<std::string> only;
  int64_t batch = 16;
  int64_t repeats = 7;
  std::vector<int64_t> shape;
  std::string out;
  bool profile = false;
  TrainingRun run;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    CommonOptions::fields(self.common, field);
    field(self.config, "config", "INI file of keys, as for `halcyon train`");
    field(self.only, "only",
          "parts, comma-separated, as `halcyon list bench` names them; empty: all");
    field(self.batch, "batch", "images of a step and of an evaluation, > 0");
    field(self.repeats, "repeats", "measurements of each row, > 0");
    field(self.shape, "shape",
          "C,H,W of the random images; empty: of data.channels and data.size, else 3,32,32");
    field(self.out, "out", "JSON file to write; empty: none");
    field(self.profile, "profile",
          "show where the time of a training step and of an evaluation of one image goes");
  }
  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("", self.run);
  }
};

/// Defaults, then the file, then the command line.
bool read_options(const Arguments& arguments, BenchCommand& command) {
  constexpr const char* kUsage =
      "halcyon bench [--config FILE] [--only PART,PART] [--batch N] [--key value ...]";
  BenchCommand first;
  if (!parse_command_line(kUsage, first, arguments)) return false;
  if (!first.config.empty()) OptionSet(command.run).read_ini_file(first.config);
  return parse_command_line(kUsage, command, arguments);
}

ImageShape shape_of(const BenchCommand& command) {
  const auto& data = command.run.recipe.data;
  auto sides = command.shape;
  if (sides.empty()) {
    const int64_t side = data.size > 0 ? data.size : 32;
    sides = {data.channels > 0 ? data.channels : 3, side, side};
  }
  const bool good = sides.size() == 3 && std::all_of(sides.begin(), sides.end(), [](int64_t side) {
                      return side > 0 && side <= 1 << 14;
                    });
  require_option(good && sides[0] * sides[1] * sides[2] <= 1 << 28, "shape",
                 "C,H,W, each in 1 .. 16384 and at most 2^28 values", to_text(sides));
  return {sides[0], sides[1], sides[2]};
}

/// Of the GPU, or of the process.
double peak_memory_of(torch::Device device) {
  return static_cast<double>(device.is_cuda() ? cuda::peak_memory(device) : peak_memory());
}

void measure(BenchJob& job, const std::vector<std::string>& only) {
  for (const auto& part : bench_parts()) {
    if (!only.empty() && std::find(only.begin(), only.end(), part.name) == only.end()) continue;
    job.device.is_cuda() ? cuda::reset_peak_memory(job.device) : reset_peak_memory();
    const auto first = job.rows.size();
    part.measure(job);
    const auto peak = peak_memory_of(job.device);
    for (auto row = job.rows.begin() + static_cast<long>(first); row != job.rows.end(); ++row) {
      row->peak_memory = peak;
    }
  }
}

void profile(BenchJob& job, const char* name, int64_t times, const std::function<void()>& work) {
  work();  // the first is slower than the rest
  const auto all = [&] {
    for (int64_t i = 0; i < times; ++i) {
      work();
      stop_if_interrupted();
    }
  };
  job.profiles.push_back({name, times, profile_operators(all, job.device)});
  fmt::print("\nOperators of a {}, each without those that it calls:\n{}", name,
             to_text(operator_table(job.profiles.back())));
}

void profile(BenchJob& job) {
  {
    TrainingBench bench(job);
    profile(job, "training step", job.repeats, [&] { bench.step(); });
  }
  EvaluationBench bench(job, /*images=*/1);
  profile(job, "network evaluation of 1 image", 10 * job.repeats, [&] { bench.evaluate(1); });
}

void describe_network(BenchJob& job) {
  const auto network = bench_network(job);
  for (const auto& parameter : network->parameters()) job.parameters += parameter.numel();
  job.forward_flops = forward_flops(*network, job.recipe.model, job.shape);
  fmt::print("{}: {} parameters in {}, {:.4g} GFLOP an evaluation of {}x{}x{}; {} threads\n",
             job.recipe.model.name, job.parameters, to_text(job.recipe.training.precision),
             1e-9 * job.forward_flops, job.shape.channels, job.shape.height, job.shape.width,
             at::get_num_threads());
}

}  // namespace

const std::vector<BenchPart>& bench_parts() {
  static const std::vector<BenchPart> parts = {
      {"ceilings", "what the machine can do", bench_ceilings},
      {"step", "a training step of the network", bench_training_step},
      {"nfe", "a network evaluation as sampling does it", bench_evaluation},
      {"data", "batches of training images", bench_data},
      {"optimizer", "gradient clipping, AdamW and EMA", bench_optimizer},
      {"kernels", "our operators against LibTorch's", bench_kernels},
  };
  return parts;
}

std::vector<Timing> BenchJob::time(const std::string& label,
                                   const std::vector<std::function<void()>>& works) const {
  const auto total = repeats * static_cast<int64_t>(works.size());
  Progress progress(label, "measurements", total);
  int64_t done = 0;
  const auto after_sample = [&] {
    progress.update(++done);
    stop_if_interrupted();
  };
  return time_in_turn(works, {.repeats = repeats, .device = device, .after_sample = after_sample});
}

int bench_command(const Arguments& arguments) {
  BenchCommand command;
  if (!read_options(arguments, command)) return 0;
  require_option(command.batch > 0 && command.batch <= 1 << 20, "batch",
                 "a whole number in 1 .. 1048576", command.batch);
  require_option(command.repeats > 0, "repeats", "a whole number > 0", command.repeats);
  for (const auto& name : command.only) find_entry(bench_parts(), name, "only");
  const auto folder = std::filesystem::path(command.out).parent_path();
  if (!folder.empty()) make_directory(folder.string());  // before the long part
  const auto device = set_up_machine(command.run.machine);
  BenchJob job{.recipe = command.run.recipe,
               .shape = shape_of(command),
               .batch = command.batch,
               .repeats = command.repeats,
               .device = device};
  auto& precision = job.recipe.training.precision;
  precision = network_precision(job.recipe.model, precision, device);
  describe_network(job);
  const InterruptGuard interrupt;
  try {
    measure(job, command.only);
    fmt::print("{}", to_text(bench_table(job)));
    if (command.profile) profile(job);
  } catch (const Interrupted& interrupted) {
    return 128 + interrupted.signal;
  }
  if (!command.out.empty()) {
    write_file_atomically(command.out, bench_json(job).dump(2) + "\n");
  }
  return 0;
}

}  // namespace halcyon
