#include "io/event_file.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <filesystem>

#include "core/error.h"
#include "io/atomic_file.h"
#include "io/crc32c.h"

namespace halcyon {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPrefix = "events.out.tfevents.";

// Fields of Event and of its SessionLog.
enum : uint32_t { kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7 };
enum : uint32_t { kStatus = 1 };
constexpr uint64_t kStart = 1;
// Of Summary.
enum : uint32_t { kValue = 1 };

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

ProtoMessage event(int64_t step) {
  ProtoMessage message;
  message.number(kWallTime, wall_time()).integer(kStep, static_cast<uint64_t>(step));
  return message;
}

/// The seconds in the name of an event file; -1 for another file.
int64_t seconds_of(const std::string& name) {
  int64_t seconds = -1;
  if (name.rfind(kPrefix, 0) != 0) return seconds;
  std::from_chars(name.data() + std::strlen(kPrefix), name.data() + name.size(), seconds);
  return seconds;
}

/// Of the newest file in the folder; -1 if there is none.
int64_t newest_seconds(const std::string& folder) {
  int64_t newest = -1;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    newest = std::max(newest, seconds_of(entry.path().filename().string()));
  }
  return newest;
}

/// As TFRecord keeps it, so that a check of data that hold checks is worth something.
uint32_t masked(uint32_t crc) { return (crc >> 15 | crc << 17) + 0xA282EAD8; }

std::string record(const std::string& data) {
  std::string bytes;
  append_bytes(bytes, data.size(), 8);
  append_bytes(bytes, masked(crc32c(bytes)), 4);
  bytes += data;
  append_bytes(bytes, masked(crc32c(data)), 4);
  return bytes;
}

}  // namespace

EventFile::EventFile(std::string folder, int64_t first_step)
    : folder_(std::move(folder)), first_step_(first_step) {}

bool EventFile::exists_in(const std::string& folder) { return newest_seconds(folder) >= 0; }

void EventFile::append(int64_t step, const std::vector<ProtoMessage>& values) {
  if (!file_) open();
  ProtoMessage summary;
  for (const auto& value : values) summary.message(kValue, value);
  write(event(step).message(kSummary, summary));
}

void EventFile::open() {
  make_directory(folder_);
  // The names of a run in order, also of two starts within a second or of a clock set back.
  const auto seconds = std::max(static_cast<int64_t>(wall_time()), newest_seconds(folder_) + 1);
  path_ = fmt::format("{}/{}{:010d}.halcyon", folder_, kPrefix, seconds);
  FileDescriptor file(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (file.get() < 0) {
    throw FileError(fmt::format("cannot write {}: {}", path_, std::strerror(errno)));
  }
  file_ = std::move(file);
  write(event(0).text(kFileVersion, "brain.Event:2"));
  write(event(first_step_).message(kSessionLog, ProtoMessage().integer(kStatus, kStart)));
}

void EventFile::write(const ProtoMessage& event) {
  write_fully(*file_, record(event.bytes()), path_);
}

}  // namespace halcyon
