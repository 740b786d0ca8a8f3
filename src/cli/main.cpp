#include <c10/util/Exception.h>
#include <fmt/core.h>

#include <cstdio>
#include <exception>
#include <string_view>

#include "cli/commands.h"
#include "cli/help_text.h"
#include "core/error.h"
#include "core/registry.h"

namespace {

using halcyon::Arguments;
using halcyon::Command;
using halcyon::HelpForm;

constexpr const char* kOutOfMemory = "out of memory; want a smaller batch, image or network";

const std::vector<Command>& commands() {
  static const std::vector<Command> entries = {
      {"train", "train a score network on images", halcyon::train_command},
      {"sample", "draw images from a checkpoint", halcyon::sample_command},
      {"denoise", "denoise tensors of another program, each at its noise level",
       halcyon::denoise_command},
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
      {"prune", "remove the parameters whose loss costs least by the Fisher matrix",
       halcyon::prune_command},
      {"merge", "make one checkpoint of several, each parameter weighted by the Fisher matrices",
       halcyon::merge_command},
      {"uncertainty", "show what the training images leave open in samples, pixel by pixel",
       halcyon::uncertainty_command},
      {"influence", "find the training images that samples owe most to",
       halcyon::influence_command},
      {"import", "make a checkpoint of another program's", halcyon::import_command},
      {"export", "make another program's checkpoint of one", halcyon::export_command},
      {"inspect", "describe a checkpoint, a run or a data set", halcyon::inspect_command},
      {"bench", "measure speed and memory, and the machine's own limits", halcyon::bench_command},
      {"list", "list samplers, models, data formats and the rest", halcyon::list_command},
  };
  return entries;
}

/// Of `halcyon --help`, without a command.
struct MainOptions {
  HelpForm help = HelpForm::text;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.help, "help", "print what there is and stop");
  }
};

int run(const Arguments& arguments) {
  const auto& first = arguments.front();
  if (first == "--version") {
    fmt::print("halcyon {}\n", HALCYON_VERSION);
    return 0;
  }
  if (first == "-h" || first == "help" || first.rfind("--help", 0) == 0) {
    MainOptions options;
    if (first.rfind("--help", 0) == 0) halcyon::OptionSet(options).read_command_line({first});
    print_program_help(commands(), options.help);
    return 0;
  }
  const auto& command = halcyon::find_entry(commands(), first, "command");
  return command.run({arguments.begin() + 1, arguments.end()});
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argv + 1, argv + argc);
  if (arguments.empty()) {
    print_program_help(commands(), HelpForm::text);
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
