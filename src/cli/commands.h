#pragma once

#include <string>
#include <vector>

namespace halcyon {

using Arguments = std::vector<std::string>;

/// A row of the table in main.cpp.
struct Command {
  const char* name;
  const char* summary;
  int (*run)(const Arguments&);
};

// One function a sub-command: reads its arguments, does the work, returns the exit code.
// All throw UserError for what the user can mend.

int train_command(const Arguments& arguments);
int sample_command(const Arguments& arguments);
int denoise_command(const Arguments& arguments);
int encode_command(const Arguments& arguments);
int interpolate_command(const Arguments& arguments);
int restore_command(const Arguments& arguments);
int fisher_command(const Arguments& arguments);
int evaluate_command(const Arguments& arguments);
int report_command(const Arguments& arguments);
int calibrate_command(const Arguments& arguments);
int schedule_command(const Arguments& arguments);
int prune_command(const Arguments& arguments);
int merge_command(const Arguments& arguments);
int uncertainty_command(const Arguments& arguments);
int influence_command(const Arguments& arguments);
int import_command(const Arguments& arguments);
int export_command(const Arguments& arguments);
int inspect_command(const Arguments& arguments);
int bench_command(const Arguments& arguments);
int list_command(const Arguments& arguments);

}  // namespace halcyon
