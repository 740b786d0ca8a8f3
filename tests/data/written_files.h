#pragma once

#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "data/registry.h"
#include "tests/support/catch.h"

namespace halcyon::testing {

/// A folder that lasts as long as the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    auto name = (std::filesystem::temp_directory_path() / "halcyon_data_XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }

  /// Writes bytes to a file, in sub-folders made for it; returns its path.
  std::string write(const std::string& name, const std::string& bytes) const {
    const auto file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << bytes;
    return file.string();
  }

  DataOptions options() const {
    DataOptions options;
    options.path = path_.string();
    return options;
  }

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string big_endian(int64_t value, int bytes = 4) {
  std::string text;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    text += static_cast<char>(value >> shift & 0xFF);
  }
  return text;
}

inline std::string png_chunk(const std::string& type, const std::string& data) {
  const auto body = type + data;
  const auto crc = crc32(0, reinterpret_cast<const Bytef*>(body.data()), body.size());
  return big_endian(static_cast<int64_t>(data.size())) + body + big_endian(crc);
}

/// color_type: 0 gray, 2 RGB, 3 palette, 4 gray + alpha, 6 RGBA.  `lines` holds the rows without
/// their filter bytes; `extra` the chunks PLTE and tRNS.
inline std::string png(int width, int height, int depth, int color_type, const std::string& lines,
                       const std::string& extra = "") {
  std::string raw;
  const size_t line = lines.size() / height;
  for (int y = 0; y < height; ++y) raw += std::string(1, '\0') + lines.substr(y * line, line);
  uLongf size = compressBound(raw.size());
  std::string packed(size, '\0');
  compress(reinterpret_cast<Bytef*>(packed.data()), &size,
           reinterpret_cast<const Bytef*>(raw.data()), raw.size());
  packed.resize(size);
  const auto header = big_endian(width) + big_endian(height) + big_endian(depth, 1) +
                      big_endian(color_type, 1) + std::string(3, '\0');
  return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header) + extra + png_chunk("IDAT", packed) +
         png_chunk("IEND", "");
}

/// A gray image of one value.
inline std::string gray_png(int width, int height, int value) {
  return png(width, height, 8, 0, std::string(width * height, static_cast<char>(value)));
}

inline std::string text_of(const std::vector<int>& values) {
  return {values.begin(), values.end()};
}

inline torch::Tensor pixels(const std::vector<int>& values, at::IntArrayRef shape) {
  return torch::tensor(values).view(shape).to(torch::kUInt8);
}

}  // namespace halcyon::testing
