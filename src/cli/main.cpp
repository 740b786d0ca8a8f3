#include <c10/util/Exception.h>
#include <fmt/core.h>

#include <cstdio>
#include <exception>
#include <string_view>

#include "cli/commands.h"
#include "core/error.h"
#include "core/registry.h"

namespace {

using halcyon::Arguments;

constexpr const char* kOutOfMemory = "out of memory; want a smaller batch, image or network";

struct Command {
  const char* name;
  const char* summary;
  int (*run)(const Arguments&);
};

const std::vector<Command>& commands() {
  static const std::vector<Command> entries = {
      {"train", "train a score network on images", halcyon::train_command},
      {"sample", "draw images from a checkpoint", halcyon::sample_command},
      {"encode", "carry images to their noise by the probability-flow ODE, and back",
       halcyon::encode_command},
      {"interpolate", "draw the images between two by their noise", halcyon::interpolate_command},
      {"restore", "draw images that fit a measurement: inpaint, superresolve, deblur, colourise",
       halcyon::restore_command},
      {"fisher", "measure the Fisher information of the data score", halcyon::fisher_command},
      {"evaluate", "measure samples against images, or the likelihood of images under a model",
       halcyon::evaluate_command},
      {"report", "show a run on one HTML page", halcyon::report_command},
      {"calibrate", "fit a multiplier of the score at every noise level",
       halcyon::calibrate_command},
      {"schedule", "choose the noise levels of sampling by what the model measures",
       halcyon::schedule_command},
      {"inspect", "describe a checkpoint, a run or a data set", halcyon::inspect_command},
      {"bench", "measure speed and memory, and the machine's own limits", halcyon::bench_command},
      {"list", "list samplers, models, data formats and the rest", halcyon::list_command},
  };
  return entries;
}

void print_usage() {
  fmt::print(
      "halcyon {}: score-matching diffusion models and the Fisher information of their data\n"
      "\nusage: halcyon COMMAND [--key value ...]\n\n",
      HALCYON_VERSION);
  for (const auto& command : commands()) fmt::print("  {:<10}{}\n", command.name, command.summary);
  fmt::print("\n`halcyon COMMAND --help` names every key of a command.\n");
}

int run(const Arguments& arguments) {
  const auto& first = arguments.front();
  if (first == "--version") {
    fmt::print("halcyon {}\n", HALCYON_VERSION);
    return 0;
  }
  if (first == "--help" || first == "-h" || first == "help") {
    print_usage();
    return 0;
  }
  const auto& command = halcyon::find_entry(commands(), first, "command");
  return command.run({arguments.begin() + 1, arguments.end()});
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argv + 1, argv + argc);
  if (arguments.empty()) {
    print_usage();
    return 2;
  }
  try {
    return run(arguments);
  } catch (const halcyon::UserError& error) {
    fmt::print(stderr, "halcyon: {}\n", error.what());
    return 2;
  } catch (const c10::Error& error) {
    const std::string_view what = error.what_without_backtrace();
    const bool memory = what.find("allocate memory") != what.npos ||  // of the CPU, of the device
                        what.find("out of memory") != what.npos;
    fmt::print(stderr, "halcyon: {}: {}\n", memory ? kOutOfMemory : "internal error", what);
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "halcyon: {}\n", kOutOfMemory);
  } catch (const std::exception& error) {
    fmt::print(stderr, "halcyon: {}\n", error.what());
  }
  return 1;
}
