#include "data/image_decoding.h"

#include <fmt/format.h>

#include <algorithm>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>
#include <string_view>

#include "core/error.h"
#include "core/torch.h"
#include "data/image_planes.h"

namespace halcyon {
namespace {

using Bytes = std::vector<unsigned char>;
using namespace std::string_view_literals;

constexpr int64_t kMaxPixels = int64_t{1} << 28;
constexpr uint64_t kShortestFile = 32;  // bytes; OpenCV reads as many of a header

bool matches(const Bytes& bytes, size_t at, std::string_view what) {
  if (bytes.size() < at + what.size()) return false;
  return std::equal(what.begin(), what.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at),
                    [](char a, unsigned char b) { return static_cast<unsigned char>(a) == b; });
}

bool is_png(const Bytes& bytes) { return matches(bytes, 0, "\x89PNG\r\n\x1a\n"sv); }
bool is_jpeg(const Bytes& bytes) { return matches(bytes, 0, "\xFF\xD8\xFF"sv); }
bool is_tiff(const Bytes& bytes) {
  return matches(bytes, 0, "II*\0"sv) || matches(bytes, 0, "MM\0*"sv);
}

int64_t big_endian(const Bytes& bytes, size_t at, size_t count) {
  int64_t value = 0;
  for (size_t i = at; i < at + count; ++i) value = value * 256 + (i < bytes.size() ? bytes[i] : 0);
  return value;
}

/// What a file says of itself before it is decoded: decoders return part of a truncated file
/// as if it were whole, and allocate whatever a header asks for.
struct Outline {
  bool complete = false;
  int64_t pixels = 0;  // 0 where not looked up
  bool gray_alpha = false;
};

/// Walks the chunks (length, type, data, CRC) up to IEND.
Outline outline_png(const Bytes& bytes) {
  Outline outline;
  for (size_t i = 8; i + 12 <= bytes.size(); i += 12 + big_endian(bytes, i, 4)) {
    if (matches(bytes, i + 4, "IHDR"sv)) {
      outline.pixels = big_endian(bytes, i + 8, 4) * big_endian(bytes, i + 12, 4);
      outline.gray_alpha = big_endian(bytes, i + 17, 1) == 4;
    }
    outline.complete = matches(bytes, i + 4, "IEND"sv);
    if (outline.complete) break;
  }
  return outline;
}

/// Walks the marker segments, and the coded data between them, up to the end-of-image marker.
Outline outline_jpeg(const Bytes& bytes) {
  Outline outline;
  for (size_t i = 2; i + 1 < bytes.size();) {
    const int marker = bytes[i + 1];
    const bool stuffed = marker == 0x00 || marker == 0x01 || (marker >= 0xD0 && marker <= 0xD7);
    if (bytes[i] != 0xFF || marker == 0xFF) {
      i += 1;
    } else if (stuffed) {
      i += 2;
    } else if (marker == 0xD9) {
      outline.complete = true;
      break;
    } else {
      const bool frame =
          marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
      if (frame) outline.pixels = big_endian(bytes, i + 5, 2) * big_endian(bytes, i + 7, 2);
      i += 2 + static_cast<size_t>(big_endian(bytes, i + 2, 2));
    }
  }
  return outline;
}

/// The size in bytes that a BMP file (at byte 2) or WebP file (at byte 4, less 8) states.
Outline outline_by_size(const Bytes& bytes) {
  const bool bmp = matches(bytes, 0, "BM"sv);
  const size_t at = bmp ? 2 : 4;
  uint64_t stated = bmp ? 0 : 8;
  for (size_t i = 0; i < 4 && at + i < bytes.size(); ++i) {
    stated += uint64_t{bytes[at + i]} << (8 * i);
  }
  return {.complete = bytes.size() >= std::max<uint64_t>(stated, kShortestFile)};
}

/// TIFF is left to the decoder, which fails where it reads past the end.
Outline outline(const Bytes& bytes) {
  if (is_png(bytes)) return outline_png(bytes);
  if (is_jpeg(bytes)) return outline_jpeg(bytes);
  if (is_tiff(bytes)) return {.complete = true};
  return outline_by_size(bytes);
}

/// Any number of channels, the last alpha: composed over `background`, in floating point.
cv::Mat composed(const cv::Mat& pixels, double background) {
  std::vector<cv::Mat> planes;
  cv::split(pixels, planes);
  const cv::Mat alpha = planes.back() / 255.0;
  planes.pop_back();
  for (auto& plane : planes) plane = (plane - background).mul(alpha) + background;
  cv::Mat result;
  cv::merge(planes, result);
  return result;
}

/// 8 or 16 bit with or without alpha to 8 bit without.
cv::Mat plain(const cv::Mat& decoded, int64_t background) {
  if (decoded.depth() != CV_8U && decoded.depth() != CV_16U) {
    throw DataError("neither 8 nor 16 bits per channel");
  }
  const bool alpha = decoded.channels() == 2 || decoded.channels() == 4;
  if (decoded.depth() == CV_8U && !alpha) return decoded;
  cv::Mat pixels, result;
  decoded.convertTo(pixels, CV_32F, decoded.depth() == CV_16U ? 1.0 / 257 : 1.0);
  if (alpha) pixels = composed(pixels, static_cast<double>(background));
  pixels.convertTo(result, CV_8U);
  return result;
}

torch::Tensor to_tensor(const cv::Mat& pixels, bool gray) {
  std::vector<cv::Mat> planes;
  cv::split(pixels, planes);
  std::reverse(planes.begin(), planes.end());  // OpenCV keeps B, G, R
  if (gray) planes.resize(1);
  return image_of(planes);
}

cv::Mat decoded(const Bytes& bytes, int flags) {
  // Failures are reported by the caller; OpenCV would also log them.
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  try {
    return cv::imdecode(bytes, flags);
  } catch (const cv::Exception& e) {
    throw DataError(fmt::format("cannot be decoded: {}", e.err));
  } catch (const std::bad_alloc&) {
    throw DataError("too large for memory");
  }
}

}  // namespace

bool begins_like_image(const Bytes& bytes) {
  return is_png(bytes) || is_jpeg(bytes) || is_tiff(bytes) || matches(bytes, 0, "BM"sv) ||
         (matches(bytes, 0, "RIFF"sv) && matches(bytes, 8, "WEBP"sv));
}

torch::Tensor decode_image(const Bytes& bytes, int64_t background) {
  if (bytes.empty()) throw DataError("empty file");
  if (!begins_like_image(bytes)) throw DataError("not a PNG, JPEG, BMP, WebP or TIFF file");
  const auto stated = outline(bytes);
  if (!stated.complete) throw DataError("truncated");
  if (stated.pixels > kMaxPixels) {
    throw DataError(fmt::format("declares {} pixels, more than 2^28", stated.pixels));
  }
  // IMREAD_UNCHANGED keeps alpha and 16 bits, but not upright; a JPEG has only the latter.
  const auto pixels = decoded(bytes, is_jpeg(bytes) ? cv::IMREAD_ANYCOLOR : cv::IMREAD_UNCHANGED);
  if (pixels.empty()) throw DataError("cannot be decoded");
  return to_tensor(plain(pixels, background), stated.gray_alpha);
}

}  // namespace halcyon
