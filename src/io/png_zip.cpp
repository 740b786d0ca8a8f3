#include "io/png_zip.h"

#include "io/atomic_file.h"
#include "io/stored_zip.h"

namespace halcyon {

PngZip::PngZip(const ImageSinkOptions& options, SinkStart start)
    : path_(options.path),
      staging_(unfinished_folder(options.path)),
      count_(options.count),
      staged_(options, start) {}

void PngZip::finish() {
  const auto unfinished = staging_ + "/archive";
  StoredZip archive(unfinished);
  for (int64_t i = 0; i < count_; ++i) {
    const auto name = PngFolder::name(i);
    archive.add(name, read_file(staging_ + "/" + name));
  }
  archive.close();
  move_file(unfinished, path_);
}

void PngZip::clean_up() { remove_all(staging_); }

}  // namespace halcyon
