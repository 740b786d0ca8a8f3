#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "io/file_descriptor.h"
#include "io/safetensors.h"

namespace halcyon {

/// The folder of one run, held by one process at a time:
///
///     config.ini  environment.json  metrics.csv  metrics.jsonl  fisher_levels.csv
///     checkpoints/step-00000030/  samples/step-00000030.png  samples/film.safetensors
///     plots/  tensorboard/  report.html
///
/// The lock is flock(2) on `.lock` and ends with the process.  On a file system that has no such
/// locks, none is taken.  All failures are FileErrors.
class RunDirectory {
 public:
  /// Makes the folder and its parents.  @throws FileError if it holds a run already, or is in use
  static RunDirectory create(const std::string& path);
  /// Takes up a run again, and clears away what a killed process left half-written.
  /// @throws FileError if there is no run, or it is in use
  static RunDirectory open(const std::string& path);

  /// Takes back what create() made at `path`; anything else that lies there stays.
  static void discard_unused(const std::string& path);

  /// The path of something in the folder.
  std::string path(const std::string& relative) const { return root_ + "/" + relative; }
  std::string config() const { return path("config.ini"); }
  std::string environment() const { return path("environment.json"); }
  std::string metrics_csv() const { return path("metrics.csv"); }
  std::string metrics_jsonl() const { return path("metrics.jsonl"); }
  std::string fisher_levels() const { return path("fisher_levels.csv"); }
  std::string film() const { return path("samples/film.safetensors"); }
  std::string tensorboard() const { return path("tensorboard"); }
  std::string plot(const std::string& name) const { return path("plots/" + name + ".png"); }
  std::string samples(int64_t step) const;
  std::string checkpoint(int64_t step) const;

  /// Puts `files` (by file name) into checkpoints/step-STEP, all at once: a failure or a kill
  /// leaves the older checkpoints as they were.  A checkpoint of the same step is replaced.  Then
  /// all but the newest `keep_last` are removed (0 keeps all), though never this one.
  void save_checkpoint(int64_t step, const std::map<std::string, SafetensorsFile>& files,
                       int64_t keep_last);

  /// Steps with a checkpoint, ascending.
  std::vector<int64_t> checkpoint_steps() const;

 private:
  explicit RunDirectory(const std::string& path);

  std::string root_;
  FileDescriptor lock_;
};

/// The file to load for `path`: a run directory (its newest step), the folder of a step, or the
/// file itself; in the first two it is `file`, as "model.safetensors".
/// @throws CheckpointError that says what is there instead
std::string resolve_checkpoint(const std::string& path, const std::string& file);

}  // namespace halcyon
