#include "io/process_memory.h"

#include <malloc.h>

#include <fstream>
#include <string>

namespace halcyon {

int64_t peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    int64_t kibibytes = 0;
    if (word == "VmHWM:" && status >> kibibytes) return 1024 * kibibytes;
  }
  return 0;
}

void reset_peak_memory() {
  constexpr const char* kResetPeak = "5";  // proc(5), clear_refs
  malloc_trim(0);                          // what was freed is given back
  std::ofstream("/proc/self/clear_refs") << kResetPeak;
}

}  // namespace halcyon
