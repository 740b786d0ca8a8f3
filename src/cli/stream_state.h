#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace halcyon {

/// How far a stream of images has come.
struct StreamProgress {
  int64_t batch = 0;        ///< images drawn at once; 0: not decided
  int64_t done = 0;         ///< images written: whole batches, or all
  int64_t evaluations = 0;  ///< of the network, summed over these images
  double seconds = 0;       ///< spent on them
};

/// The small file beside images that are being made; by it the same command goes on where it was
/// stopped.  It goes once they are finished.
class StreamState {
 public:
  /// Looks for what an earlier process left: who finished no image left nothing.  `options`: an
  /// object of everything that the images depend on, by the names that the user knows; "batch" is
  /// compared by itself, unless it is 0.
  /// @throws ConfigError naming the first option that differs there, what was found and what is
  /// wanted; FileError for a file that is none of ours.
  StreamState(std::string path, nlohmann::ordered_json options, int64_t batch);

  /// Whether there is something to go on with.
  bool resumed() const { return resumed_; }
  const StreamProgress& progress() const { return progress_; }

  void save(const StreamProgress& progress);
  void remove() const;

 private:
  void require_same_options(const nlohmann::ordered_json& there, int64_t batch) const;

  std::string path_;
  nlohmann::ordered_json options_;
  StreamProgress progress_;
  bool resumed_ = false;
};

}  // namespace halcyon
