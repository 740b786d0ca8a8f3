#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "io/file_descriptor.h"
#include "io/proto_message.h"

namespace halcyon {

/// The summaries of a run for TensorBoard, in a file of records of TFRecord,
///
///     u64 length | u32 masked CRC-32C of the length | data | u32 masked CRC-32C of the data
///
/// little endian, each an Event of tensorboard/compat/proto/event.proto.  A file begins with its
/// version and with a SessionLog START at the step from which it counts: of earlier files, readers
/// forget the events from that step on.  So a resumed run opens a file of its own, never adds to
/// one that may end in half a record, and leaves the events of an uninterrupted one.
///
/// A record is handed to the system as it is appended, so it outlives the process.
class EventFile {
 public:
  /// The next file in `folder`, whose name sorts after all that are there.  Nothing is touched
  /// before the first append().
  EventFile(std::string folder, int64_t first_step);

  /// An Event of one Summary of these values, in io/event_summary.h.
  /// @throws FileError
  void append(int64_t step, const std::vector<ProtoMessage>& values);

  /// Whether the folder holds files of an earlier start.
  static bool exists_in(const std::string& folder);

 private:
  void open();
  void write(const ProtoMessage& event);

  std::string folder_;
  int64_t first_step_;
  std::string path_;
  std::optional<FileDescriptor> file_;
};

}  // namespace halcyon
