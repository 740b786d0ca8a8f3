#include "io/proto_message.h"

#include <bit>

namespace halcyon {

void append_bytes(std::string& text, uint64_t value, int count) {
  for (int i = 0; i < count; ++i) text += static_cast<char>(value >> 8 * i & 255);
}

void ProtoMessage::varint(uint64_t value) {
  for (; value >= 128; value >>= 7) bytes_ += static_cast<char>((value & 127) | 128);
  bytes_ += static_cast<char>(value);
}

void ProtoMessage::tag(uint32_t field, Wire wire) {
  varint(field << 3 | static_cast<uint32_t>(wire));
}

ProtoMessage& ProtoMessage::integer(uint32_t field, uint64_t value) {
  tag(field, Wire::varint);
  varint(value);
  return *this;
}

ProtoMessage& ProtoMessage::number(uint32_t field, double value) {
  tag(field, Wire::fixed64);
  append_bytes(bytes_, std::bit_cast<uint64_t>(value), 8);
  return *this;
}

ProtoMessage& ProtoMessage::number(uint32_t field, float value) {
  tag(field, Wire::fixed32);
  append_bytes(bytes_, std::bit_cast<uint32_t>(value), 4);
  return *this;
}

ProtoMessage& ProtoMessage::text(uint32_t field, std::string_view value) {
  tag(field, Wire::length);
  varint(value.size());
  bytes_ += value;
  return *this;
}

ProtoMessage& ProtoMessage::message(uint32_t field, const ProtoMessage& value) {
  return text(field, value.bytes_);
}

ProtoMessage& ProtoMessage::numbers(uint32_t field, const std::vector<double>& values) {
  std::string packed;
  for (const double value : values) append_bytes(packed, std::bit_cast<uint64_t>(value), 8);
  return text(field, packed);
}

}  // namespace halcyon
