#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/stream_state.h"
#include "core/denoiser.h"
#include "data/image_set.h"
#include "io/file_lock.h"
#include "io/image_sink.h"

namespace halcyon {

struct StreamOptions {
  std::string out;  ///< a folder, X.zip or X.safetensors
  int64_t count = 0;
  int64_t batch = 0;                ///< 0: to be chosen
  std::vector<int64_t> shape = {};  ///< of an image, [C, H, W]
  uint64_t seed = 0;
  bool tensors = false;                  ///< also samples.safetensors in the folder
  nlohmann::ordered_json identity = {};  ///< all that the images depend on; see StreamState
};

/// Images that are made batch by batch and written by another thread while the next are made.  In
/// memory are a few batches, whatever the count.  Stopped by a signal or killed, the same command
/// goes on with the batch that was not finished, and the files come out the same.
///
/// `out` becomes, besides the images,
///
///     FOLDER/grid.png  FOLDER/samples.json         a folder
///     X.png  X.json                                beside X.zip or X.safetensors
///     FOLDER/trajectory.*  X.trajectory.*          what is drawn of the first images' way
///
/// Until it is finished, unfinished.json in the folder, or in X.zip.part, says how far it has come,
/// and the process that writes holds FOLDER/unfinished.lock or X.lock.
class SampleStream {
 public:
  struct Drawn {
    torch::Tensor images;  ///< [size, C, H, W]
    int64_t nfe;           ///< network evaluations of each
  };
  /// Draws images first .. first + size - 1 with the denoiser that it is given.
  using Draw = std::function<Drawn(Denoiser& denoiser, int64_t first, int64_t size)>;

  /// Writes nothing.  @throws ConfigError for an unfinished stream of other options
  explicit SampleStream(StreamOptions options);

  const StreamProgress& progress() const { return state_.progress(); }
  bool resumed() const { return state_.resumed(); }

  /// Makes the place for the images and holds it, then looks again how far they have come.
  /// @throws FileError, also if another process is writing there
  void open();

  /// Draws the images that are not there yet, `batch` at a time; after open().
  /// @throws Interrupted; NonFiniteError naming the image and the seed; FileError.  What was
  /// finished by then stays.
  void run(int64_t batch, Denoiser& denoiser, const Draw& draw);

  /// Network evaluations per image: a whole number unless batches differ.
  nlohmann::ordered_json nfe() const;

  /// Writes grid and summary, puts all files in place, and ends the stream.
  void finish(const nlohmann::ordered_json& summary);

  std::string grid_path() const;
  /// Where pictures of the first images on their way belong, without .png or .avi.
  std::string trajectory_stem() const;

 private:
  void write_batches(Denoiser& denoiser, const Draw& draw);
  std::string summary_path() const;

  StreamState read_state() const;

  StreamOptions options_;
  StreamState state_;
  std::optional<FileLock> lock_;
  std::vector<std::unique_ptr<ImageSink>> sinks_;
};

}  // namespace halcyon
