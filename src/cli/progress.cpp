#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace halcyon {

std::string duration_text(double seconds) {
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  if (whole >= 3600) {
    return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  }
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

Progress::Progress(std::string label, std::string unit, int64_t total, int64_t first)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      total_(total),
      first_(first),
      on_terminal_(isatty(STDERR_FILENO) != 0),
      start_(std::chrono::steady_clock::now()) {
  update(first);  // so that something shows before the first is done
}

Progress::~Progress() { clear(); }

double Progress::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

double Progress::rate(int64_t done) const { return static_cast<double>(done - first_) / seconds(); }

void Progress::update(int64_t done, const std::string& note) {
  const auto now = std::chrono::steady_clock::now();
  if (!on_terminal_ || (done < total_ && now - shown_ < std::chrono::milliseconds(100))) return;
  shown_ = now;
  const double per_second = done > first_ ? rate(done) : 0;
  const double left = static_cast<double>(total_ - done) / per_second;
  const std::string eta = done > first_ ? duration_text(left) : "?";
  fmt::print(stderr, "\r\033[K{} {}/{}  {:.0f} %  {:.3g} {}/s  ETA {}{}{}", label_, done, total_,
             100.0 * static_cast<double>(done) / static_cast<double>(total_), per_second, unit_,
             eta, note.empty() ? "" : "  ", note);
  std::fflush(stderr);
}

void Progress::clear() {
  if (!on_terminal_) return;
  fmt::print(stderr, "\r\033[K");
  std::fflush(stderr);
}

}  // namespace halcyon
