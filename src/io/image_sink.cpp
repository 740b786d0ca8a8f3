#include "io/image_sink.h"

#include <filesystem>

#include "io/atomic_file.h"
#include "io/png_folder.h"
#include "io/png_zip.h"
#include "io/safetensors_sink.h"

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
      return std::make_unique<PngZip>(options, start);
    case SinkFormat::safetensors:
      return std::make_unique<SafetensorsSink>(options, start);
    case SinkFormat::folder:
      break;
  }
  return std::make_unique<PngFolder>(options, start);
}

}  // namespace halcyon
