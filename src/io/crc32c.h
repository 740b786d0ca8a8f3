#pragma once

#include <cstdint>
#include <string_view>

namespace halcyon {

/// The cyclic redundancy check CRC-32C of Castagnoli et al. 1993, as in RFC 3720: polynomial
/// 0x1EDC6F41, bits reflected.  The libraries that we link offer the older CRC-32 only.
uint32_t crc32c(std::string_view bytes);

}  // namespace halcyon
