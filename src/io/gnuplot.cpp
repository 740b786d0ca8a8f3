#include "io/gnuplot.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/error.h"
#include "io/atomic_file.h"

namespace halcyon {
namespace {

constexpr const char* kPngTerminal =
    R"(set terminal pngcairo size 1200,800 enhanced font 'DejaVu Sans,15' linewidth 1.5 background '#ffffff'
set lmargin 11
)";

constexpr const char* kSvgTerminal =
    R"(set terminal svg size 600,340 fixed enhanced font 'sans-serif,14' linewidth 1.3 background '#ffffff'
set lmargin 11
set bmargin 3.4
set tmargin 0.8
)";

constexpr const char* kStyle = R"(set encoding utf8
set border 3 linecolor '#444444' linewidth 0.8
set tics nomirror out scale 0.6,0.3 textcolor '#222222'
set grid xtics ytics linetype 1 linecolor '#dddddd' linewidth 0.6
set key bmargin center horizontal reverse Left noenhanced textcolor '#222222' samplen 3 width 2 height 1
set bars 0.6
set rmargin 4
)";

/// A file in memory, to lend to a child process.
FileDescriptor memory_file(const char* name) {
  FileDescriptor file(::memfd_create(name, MFD_CLOEXEC));
  if (file.get() < 0) throw FileError(fmt::format("no memory file: {}", std::strerror(errno)));
  return file;
}

std::string contents(const FileDescriptor& file) {
  const auto size = ::lseek(file.get(), 0, SEEK_END);
  std::string bytes(static_cast<size_t>(std::max<off_t>(size, 0)), '\0');
  const auto count = ::pread(file.get(), bytes.data(), bytes.size(), 0);
  bytes.resize(static_cast<size_t>(std::max<ssize_t>(count, 0)));
  return bytes;
}

bool is_picture(const std::string& bytes, PictureFormat format) {
  if (format == PictureFormat::png) return bytes.rfind("\x89PNG", 0) == 0;
  return bytes.rfind("<?xml", 0) == 0 && bytes.find("</svg>") != std::string::npos;
}

}  // namespace

std::string gnuplot_style(PictureFormat format) {
  return std::string(format == PictureFormat::png ? kPngTerminal : kSvgTerminal) + kStyle;
}

std::string gnuplot_literal(const std::string& text) {
  std::string result = "'";
  for (const char c : text) {
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    result += c == '\'' ? "\u2019" : std::string(1, control ? ' ' : c);
  }
  return result + "'";
}

std::string run_gnuplot(const std::string& script, PictureFormat format) {
  const auto in = memory_file("script"), out = memory_file("picture"), log = memory_file("log");
  write_fully(in, script, "the gnuplot script");
  ::lseek(in.get(), 0, SEEK_SET);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, log.get(), STDERR_FILENO);
  std::string program = "gnuplot", defaults = "--default-settings";
  char* arguments[] = {program.data(), defaults.data(), nullptr};
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, "gnuplot", &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error == ENOENT) throw FileError("gnuplot is not installed");
  if (error != 0) throw FileError(fmt::format("gnuplot does not start: {}", std::strerror(error)));

  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  auto picture = contents(out);
  if (status != 0 || !is_picture(picture, format)) {
    throw FileError(fmt::format("gnuplot failed: {}", contents(log)));
  }
  return picture;
}

}  // namespace halcyon
