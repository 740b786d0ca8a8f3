#pragma once

#include <cstdint>

namespace halcyon {

/// The most memory that this process has had in use at once, in bytes (VmHWM of Linux), since its
/// start or the last reset_peak_memory(); 0 where the system does not tell.
int64_t peak_memory();

/// Forgets the peak: what is in use now is the new one.  Where the system does not allow it,
/// nothing happens.
void reset_peak_memory();

}  // namespace halcyon
