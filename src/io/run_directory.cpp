#include "io/run_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <functional>

#include "core/error.h"
#include "io/atomic_file.h"

namespace halcyon {
namespace fs = std::filesystem;

namespace {

constexpr const char* kTemporary = ".tmp-";
constexpr const char* kReplaced = ".old-";  // a checkpoint while a new one of its step takes over

/// Turns what std::filesystem throws into a FileError; its text names the paths.
void guarded(const std::function<void()>& action) {
  try {
    action();
  } catch (const fs::filesystem_error& error) {
    throw FileError(
        fmt::format("cannot use {}: {}", error.path1().string(), error.code().message()));
  }
}

std::string step_name(int64_t step) { return fmt::format("step-{:08d}", step); }

/// The step in "step-00000030", or -1.
int64_t step_of(const std::string& name) {
  int64_t step = -1;
  if (name.rfind("step-", 0) != 0 || name.size() < 13) return -1;
  const auto* end = name.data() + name.size();
  const auto result = std::from_chars(name.data() + 5, end, step);
  return result.ec == std::errc() && result.ptr == end ? step : -1;
}

std::vector<int64_t> steps_in(const fs::path& folder) {
  std::vector<int64_t> steps;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const auto step = step_of(entry.path().filename().string());
    if (step >= 0 && entry.is_directory(ignored)) steps.push_back(step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

bool holds_run(const std::string& root) {
  for (const char* name : {"config.ini", "environment.json", "metrics.csv", "metrics.jsonl"}) {
    if (fs::exists(root + "/" + name)) return true;
  }
  return !steps_in(root + "/checkpoints").empty();
}

FileDescriptor lock(const std::string& root) {
  const auto path = root + "/.lock";
  FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (file.get() < 0) {
    throw FileError(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
  }
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return file;
    const auto owner = read_file(path);
    throw FileError(fmt::format("run directory {} is in use by process {}", root,
                                owner.empty() ? "unknown" : owner));
  }
  if (::ftruncate(file.get(), 0) != 0) {
    throw FileError(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
  }
  write_fully(file, std::to_string(::getpid()), path);
  return file;
}

void make_folders(const std::string& root) {
  for (const char* name : {"checkpoints", "samples", "plots"}) {
    fs::create_directories(root + "/" + name);
  }
}

void clear_leftovers(const fs::path& folder) {
  std::vector<fs::path> entries;
  for (const auto& entry : fs::directory_iterator(folder)) entries.push_back(entry.path());
  for (const auto& entry : entries) {
    const auto name = entry.filename().string();
    if (name.rfind(kReplaced, 0) == 0) {
      const auto original = folder / name.substr(std::strlen(kReplaced));
      if (!fs::exists(original)) {
        fs::rename(entry, original);
      } else {
        fs::remove_all(entry);
      }
    } else if (name.rfind(kTemporary, 0) == 0) {
      fs::remove_all(entry);
    }
  }
}

std::string listing(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  const bool cut = names.size() > 20;
  if (cut) names.resize(20);
  return names.empty() ? "nothing"
                       : fmt::format("{}{}", fmt::join(names, ", "), cut ? ", ..." : "");
}

}  // namespace

RunDirectory::RunDirectory(const std::string& path) : root_(path) {
  while (root_.size() > 1 && root_.back() == '/') root_.pop_back();
}

RunDirectory RunDirectory::create(const std::string& path) {
  RunDirectory run(path);
  guarded([&] {
    fs::create_directories(run.root_);
    run.lock_ = lock(run.root_);
    if (holds_run(run.root_)) {
      throw FileError(
          fmt::format("{} already holds a run; take it up with --resume, or choose another run.dir",
                      run.root_));
    }
    make_folders(run.root_);
  });
  return run;
}

RunDirectory RunDirectory::open(const std::string& path) {
  RunDirectory run(path);
  guarded([&] {
    if (!fs::is_directory(run.root_) || !holds_run(run.root_)) {
      throw FileError(
          fmt::format("there is no run in {}; found there: {}", run.root_, listing(run.root_)));
    }
    run.lock_ = lock(run.root_);
    make_folders(run.root_);
    for (const char* name : {"", "checkpoints", "samples", "plots"}) {
      clear_leftovers(fs::path(run.root_) / name);
    }
  });
  return run;
}

void RunDirectory::discard_unused(const std::string& path) {
  std::error_code ignored;  // of folders that hold something
  for (const char* name : {"checkpoints", "samples", "plots", ".lock", ""}) {
    fs::remove(fs::path(path) / name, ignored);
  }
}

std::string RunDirectory::samples(int64_t step) const {
  return path("samples/" + step_name(step) + ".png");
}

std::string RunDirectory::checkpoint(int64_t step) const {
  return path("checkpoints/" + step_name(step));
}

std::vector<int64_t> RunDirectory::checkpoint_steps() const {
  return steps_in(path("checkpoints"));
}

namespace {

void write_folder(const fs::path& folder, const std::map<std::string, SafetensorsFile>& files) {
  guarded([&] {
    fs::remove_all(folder);
    fs::create_directory(folder);
  });
  try {
    for (const auto& [name, file] : files) {
      TORCH_CHECK(!name.empty() && name.find('/') == std::string::npos, "a file name, not ", name);
      write_safetensors((folder / name).string(), file.tensors, file.metadata);
    }
    sync_directory(folder.string());
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
    throw;
  }
}

/// Puts `fresh` in the place of `folder`.  Between the two renames a kill leaves the old one under
/// kReplaced, from where RunDirectory::open() brings it back.
void replace_folder(const fs::path& fresh, const fs::path& folder) {
  guarded([&] {
    const auto old = folder.parent_path() / (kReplaced + folder.filename().string());
    fs::remove_all(old);
    if (fs::exists(folder)) fs::rename(folder, old);
    fs::rename(fresh, folder);
    sync_directory(folder.parent_path().string());
    fs::remove_all(old);
  });
}

}  // namespace

void RunDirectory::save_checkpoint(int64_t step,
                                   const std::map<std::string, SafetensorsFile>& files,
                                   int64_t keep_last) {
  TORCH_CHECK(step >= 0 && keep_last >= 0, "step and keep_last must not be negative");
  const fs::path folder = path("checkpoints");
  const auto fresh = folder / (kTemporary + step_name(step));
  write_folder(fresh, files);
  replace_folder(fresh, folder / step_name(step));

  auto steps = checkpoint_steps();
  if (keep_last == 0 || static_cast<int64_t>(steps.size()) <= keep_last) return;
  steps.resize(steps.size() - static_cast<size_t>(keep_last));
  guarded([&] {
    for (const auto old : steps) {
      if (old == step) continue;
      // Renamed first, so that a half-removed folder is never taken for a checkpoint.
      const auto doomed = folder / (kTemporary + step_name(old));
      fs::rename(folder / step_name(old), doomed);
      fs::remove_all(doomed);
    }
  });
}

std::string resolve_checkpoint(const std::string& path, const std::string& file) {
  std::error_code error;
  const auto status = fs::status(path, error);
  if (!fs::exists(status)) {
    throw CheckpointError(fmt::format("cannot read {}: {}", path, error.message()));
  }
  if (!fs::is_directory(status)) return path;
  if (fs::exists(fs::path(path) / file, error)) return (fs::path(path) / file).string();

  const auto checkpoints = fs::path(path) / "checkpoints";
  auto folder = fs::path(path);
  if (fs::is_directory(checkpoints, error)) {
    const auto steps = steps_in(checkpoints);
    if (steps.empty()) {
      throw CheckpointError(fmt::format("the run {} has no checkpoint yet; found in {}: {}", path,
                                        checkpoints.string(), listing(checkpoints)));
    }
    folder = checkpoints / step_name(steps.back());
  }
  if (fs::exists(folder / file, error)) return (folder / file).string();
  throw CheckpointError(
      fmt::format("there is no {} in {}; found there: {}", file, folder.string(), listing(folder)));
}

}  // namespace halcyon
