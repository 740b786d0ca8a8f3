#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace halcyon {

/// "4:05" or "1:02:07".
std::string duration_text(double seconds);

/// A live line for long work: done of total, rate, time left.  It shows on a terminal only, and at
/// most ten times a second; in a pipe it stays quiet.
class Progress {
 public:
  /// `unit` is what is counted, as "images"; counting starts at `first`.
  Progress(std::string label, std::string unit, int64_t total, int64_t first = 0);
  ~Progress();

  /// `note` is added at the end of the line.
  void update(int64_t done, const std::string& note = {});

  /// Takes the line away, so that something can be printed.
  void clear();

  double seconds() const;
  double rate(int64_t done) const;

 private:
  std::string label_;
  std::string unit_;
  int64_t total_;
  int64_t first_;
  bool on_terminal_;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point shown_;
};

}  // namespace halcyon
