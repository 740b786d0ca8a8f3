#pragma once

#include "cli/commands.h"
#include "cli/evaluate_options.h"

namespace halcyon {

/// Measures samples against a reference, drawing them first if asked to; returns the exit code.
int evaluate_samples(EvaluateCommand command, const Arguments& arguments);

}  // namespace halcyon
