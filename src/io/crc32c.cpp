#include "io/crc32c.h"

#include <array>

namespace halcyon {
namespace {

constexpr uint32_t kReflectedPolynomial = 0x82F63B78;

/// The remainder of every byte.
constexpr std::array<uint32_t, 256> remainders() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < table.size(); ++byte) {
    uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit) {
      remainder = remainder >> 1 ^ (remainder & 1 ? kReflectedPolynomial : 0);
    }
    table[byte] = remainder;
  }
  return table;
}

constexpr auto kRemainders = remainders();

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = 0xFFFFFFFF;
  for (const char c : bytes)
    crc = crc >> 8 ^ kRemainders[(crc ^ static_cast<unsigned char>(c)) & 255];
  return crc ^ 0xFFFFFFFF;
}

}  // namespace halcyon
