#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace halcyon {

/// A message of Protocol Buffers in their wire format, written field by field: every field is a
/// varint `number << 3 | wire type` and its value.
///
/// Repeated fields are calls of the same number, and a map is repeated messages of key (1) and
/// value (2).  A value is written also where it is the default that proto3 would leave out.
class ProtoMessage {
 public:
  /// int32, int64, bool and enum that are not negative: 7 bits a byte, the low ones first.
  ProtoMessage& integer(uint32_t field, uint64_t value);
  ProtoMessage& number(uint32_t field, double value);
  ProtoMessage& number(uint32_t field, float value);
  /// string and bytes.
  ProtoMessage& text(uint32_t field, std::string_view value);
  ProtoMessage& message(uint32_t field, const ProtoMessage& value);
  /// repeated double, packed.
  ProtoMessage& numbers(uint32_t field, const std::vector<double>& values);

  const std::string& bytes() const { return bytes_; }

 private:
  enum class Wire : uint32_t { varint = 0, fixed64 = 1, length = 2, fixed32 = 5 };
  void tag(uint32_t field, Wire wire);
  void varint(uint64_t value);

  std::string bytes_;
};

/// Adds the lowest `count` bytes of a value, little endian.
void append_bytes(std::string& text, uint64_t value, int count);

}  // namespace halcyon
