#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace halcyon::testing {

// A reader of TensorBoard's event files that shares nothing with their writer.

/// CRC-32C by long division, bit by bit.
inline uint32_t crc32c_by_bits(const std::string& bytes) {
  uint32_t crc = ~0U;
  for (const unsigned char byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82F63B78U : crc >> 1;
  }
  return ~crc;
}

template <class T>
T unpacked(const std::string& bytes, size_t at = 0) {
  T value;
  if (at + sizeof value > bytes.size()) throw std::runtime_error("the bytes end early");
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

/// The records of a TFRecord file up to one that is cut; damage throws.
inline std::vector<std::string> read_records(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  const auto require_check = [](uint32_t masked, const std::string& of) {
    const uint32_t rotated = masked - 0xA282EAD8U;
    if ((rotated >> 17 | rotated << 15) != crc32c_by_bits(of)) throw std::runtime_error("damage");
  };
  std::vector<std::string> records;
  for (size_t at = 0; at + 12 <= bytes.size();) {
    const auto length = unpacked<uint64_t>(bytes, at);
    require_check(unpacked<uint32_t>(bytes, at + 8), bytes.substr(at, 8));
    if (at + 16 + length > bytes.size()) break;
    records.push_back(bytes.substr(at + 12, length));
    require_check(unpacked<uint32_t>(bytes, at + 12 + length), records.back());
    at += 16 + length;
  }
  return records;
}

/// A message of Protocol Buffers: the bytes of every field, by number.  A varint is 8 bytes.
struct Message {
  std::map<uint32_t, std::vector<std::string>> fields;

  explicit Message(const std::string& bytes) {
    size_t at = 0;
    const auto varint = [&] {
      uint64_t value = 0;
      for (int shift = 0;; shift += 7) {
        const auto byte = static_cast<unsigned char>(bytes.at(at++));
        value |= static_cast<uint64_t>(byte & 127) << shift;
        if (byte < 128) return value;
      }
    };
    while (at < bytes.size()) {
      const auto key = varint();
      std::string value;
      if ((key & 7) == 0) {
        const auto number = varint();
        value.assign(reinterpret_cast<const char*>(&number), sizeof number);
      } else {
        const uint64_t length = (key & 7) == 1 ? 8 : (key & 7) == 5 ? 4 : varint();
        value = bytes.substr(at, length);
        if (value.size() != length) throw std::runtime_error("a field is cut");
        at += length;
      }
      fields[static_cast<uint32_t>(key >> 3)].push_back(value);
    }
  }

  bool has(uint32_t field) const { return fields.count(field) > 0; }
  const std::string& bytes(uint32_t field) const { return fields.at(field).at(0); }
  Message message(uint32_t field) const { return Message(bytes(field)); }
  uint64_t integer(uint32_t field) const { return unpacked<uint64_t>(bytes(field)); }
  double number(uint32_t field) const { return unpacked<double>(bytes(field)); }
  std::vector<double> numbers(uint32_t field) const {
    const auto& packed = bytes(field);
    std::vector<double> values;
    for (size_t at = 0; at < packed.size(); at += 8) values.push_back(unpacked<double>(packed, at));
    return values;
  }
};

struct ReadValue {
  int64_t step;
  std::string tag;
  Message value;
};

inline std::vector<std::string> event_files(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// All that a reader of the folder ends up with: a SessionLog START makes it forget what it has
/// from that step on.
inline std::vector<ReadValue> read_events(const std::string& folder) {
  std::vector<ReadValue> values;
  for (const auto& file : event_files(folder)) {
    for (const auto& record : read_records(file)) {
      const Message event(record);
      const auto step = static_cast<int64_t>(event.integer(2));
      if (event.has(7) && event.message(7).integer(1) == 1) {
        values.erase(std::remove_if(values.begin(), values.end(),
                                    [&](const auto& value) { return value.step >= step; }),
                     values.end());
      }
      if (!event.has(5)) continue;
      const auto summary = event.message(5);
      for (const auto& bytes : summary.fields.at(1)) {
        const Message value(bytes);
        values.push_back({step, value.bytes(1), value});
      }
    }
  }
  return values;
}

}  // namespace halcyon::testing
