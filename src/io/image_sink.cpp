#include "io/image_sink.h"

#include <fmt/format.h>

#include <filesystem>

#include "core/error.h"
#include "io/atomic_file.h"
#include "io/png_folder.h"
#include "io/png_zip.h"
#include "io/safetensors_sink.h"
#include "io/stored_zip.h"

namespace halcyon {

SinkFormat sink_format(const std::string& path) {
  const auto extension = std::filesystem::path(path).extension();
  if (extension == ".zip") return SinkFormat::zip;
  return extension == ".safetensors" ? SinkFormat::safetensors : SinkFormat::folder;
}

std::string unfinished_folder(const std::string& path) {
  return sink_format(path) == SinkFormat::folder ? path : path + ".part";
}

void open_unfinished_folder(const std::string& path, SinkStart start) {
  const auto folder = unfinished_folder(path);
  if (folder != path) {
    require_file_place(path);
    if (start == SinkStart::anew) remove_all(folder);
  }
  make_directory(folder);
  if (start == SinkStart::resumed) remove_temporaries(folder);
}

std::unique_ptr<ImageSink> make_image_sink(const ImageSinkOptions& options, SinkStart start) {
  switch (sink_format(options.path)) {
    case SinkFormat::zip:
      if (!StoredZip::supported()) {
        throw ConfigError(fmt::format(
            "{}: this program was built without LibArchive and writes no zip archives; want a "
            "folder or a .safetensors file",
            options.path));
      }
      return std::make_unique<PngZip>(options, start);
    case SinkFormat::safetensors:
      return std::make_unique<SafetensorsSink>(options, start);
    case SinkFormat::folder:
      break;
  }
  return std::make_unique<PngFolder>(options, start);
}

}  // namespace halcyon
