#pragma once

#include <algorithm>
#include <string>

#include "cli/checkpoint.h"
#include "cli/command_line.h"
#include "cli/data_loading.h"

namespace halcyon {

/// Whether the arguments have --key.
bool names_key(const Arguments& arguments, const std::string& key);

/// @throws DataError unless the images are of the model's shape.
void require_shape(const ImageSet& set, const Model& model);

/// The test part of the set that `options` name if there is one, and else, as with a split that the
/// user named, that part itself.  @throws DataError if its images do not have the model's shape.
HeldOut load_evaluation_part(const DataOptions& options, bool split_is_named, const Model& model);

/// The images to measure a model on: those that the command line names; what it leaves open is as
/// the model was trained, but for the part, which is the test part.  `command` is one with a
/// section `data`, at its defaults.  labels: load the classes, if the model was trained with them.
template <class Command>
HeldOut load_evaluation_data(const char* usage, Command command, const Arguments& arguments,
                             const Model& model, bool labels) {
  command.data = model.recipe.data;
  command.data.limit = 0;  // of the training images
  command.data.labels = labels && command.data.labels;
  parse_command_line(usage, command, arguments);
  return load_evaluation_part(command.data, names_key(arguments, "data.split"), model);
}

}  // namespace halcyon
