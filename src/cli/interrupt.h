#pragma once

namespace halcyon {

/// While it lives, SIGINT and SIGTERM are noted instead of ending the process; a second one ends
/// it.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  /// The signal that came, or 0.
  static int signal();
};

/// Thrown where work stops for a signal that an InterruptGuard noted.
struct Interrupted {
  int signal;
};
/// @throws Interrupted once a signal came.
void stop_if_interrupted();

}  // namespace halcyon
