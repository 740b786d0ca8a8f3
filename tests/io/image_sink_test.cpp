#include "io/image_sink.h"

#include <cstdlib>

#include "core/error.h"
#include "core/random.h"
#include "io/atomic_file.h"
#include "io/safetensors.h"
#include "tests/io/io_test.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

torch::Tensor to_pixels(const torch::Tensor& x) {
  return x.add(1).mul(127.5).round().clamp(0, 255).to(torch::kUInt8);
}

torch::Tensor random_images(int64_t count) {
  auto rng = make_generator(3, "images");
  return torch::randn({count, 3, 6, 5}, rng);
}

ImageSinkOptions options_for(const std::string& path, int64_t count) {
  return {path, count, 3, 6, 5, to_pixels};
}

/// Writes the images in batches; a new sink takes over after `stop` of them, as after a kill.
void write_in_parts(const ImageSinkOptions& options, const torch::Tensor& x, int64_t batch,
                    int64_t stop) {
  auto sink = make_image_sink(options, SinkStart::anew);
  for (int64_t first = 0; first < x.size(0); first += batch) {
    if (first == stop) sink = make_image_sink(options, SinkStart::resumed);
    sink->write(first, x.narrow(0, first, std::min(batch, x.size(0) - first)));
  }
  sink->finish();
  sink->finish();  // as by a process that does not know it was done
  sink->clean_up();
}

}  // namespace

TEST_CASE("a sink gives back the pixels of the images that it took", "[io][roundtrip]") {
  const TemporaryDirectory folder;
  const auto name = GENERATE("images", "images.zip", "images.safetensors");
  const auto options = options_for(folder / name, 7);
  const auto x = random_images(7);
  auto sink = make_image_sink(options, SinkStart::anew);
  sink->write(4, x.narrow(0, 4, 3));
  sink->write(0, x.narrow(0, 0, 4));
  REQUIRE(torch::equal(sink->pixels(0, 7), to_pixels(x)));
  const auto next = make_image_sink(options, SinkStart::resumed);
  REQUIRE(torch::equal(next->pixels(2, 3), to_pixels(x.narrow(0, 2, 3))));
}

TEST_CASE("files are the same bytes whatever the batches and the interruption", "[io][roundtrip]") {
  const TemporaryDirectory folder;
  const auto name = GENERATE("x.zip", "x.safetensors");
  const auto x = random_images(10);
  write_in_parts(options_for(folder / "one" + "/" + name, 10), x, 10, -1);
  write_in_parts(options_for(folder / "two" + "/" + name, 10), x, 3, 6);
  REQUIRE(read_file(folder / "one" + "/" + name) == read_file(folder / "two" + "/" + name));
  REQUIRE(names_in(folder / "one") == std::set<std::string>{name});
}

TEST_CASE("a safetensors sink writes what write_safetensors() writes", "[io][oracle]") {
  const TemporaryDirectory folder;
  const auto x = random_images(10);
  write_in_parts(options_for(folder / "x.safetensors", 10), x, 4, 4);
  write_safetensors(folder / "whole.safetensors", {{"samples", x}}, {});
  REQUIRE(read_file(folder / "x.safetensors") == read_file(folder / "whole.safetensors"));
}

TEST_CASE("Python reads the zip archive, whose files are stored, of 1980, and in order",
          "[io][oracle]") {
  const TemporaryDirectory folder;
  const auto x = random_images(12);
  write_in_parts(options_for(folder / "x.zip", 12), x, 5, 5);
  put(folder / "check.py",
      "import sys, zipfile\n"
      "z = zipfile.ZipFile(sys.argv[1])\n"
      "assert z.testzip() is None\n"
      "assert z.namelist() == [f'{i:05}.png' for i in range(12)], z.namelist()\n"
      "for i in z.infolist():\n"
      "    assert i.compress_type == 0 and i.date_time == (1980, 1, 1, 0, 0, 0), i\n"
      "    assert z.read(i)[:4] == b'\\x89PNG', i\n");
  const auto line = "python3 " + folder / "check.py" + " " + folder / "x.zip";
  REQUIRE(std::system(line.c_str()) == 0);
  // The bytes depend on no time zone.
  const auto bytes = read_file(folder / "x.zip");
  ::setenv("TZ", "Asia/Tokyo", 1);
  write_in_parts(options_for(folder / "y.zip", 12), x, 5, 5);
  ::unsetenv("TZ");
  REQUIRE(read_file(folder / "y.zip") == bytes);
}

TEST_CASE("a zip archive of more than 65535 files is whole", "[io][slow]") {
  const TemporaryDirectory folder;
  auto sink = make_image_sink({folder / "x.zip", 70000, 1, 1, 1, to_pixels}, SinkStart::anew);
  for (int64_t i = 0; i < 7; ++i) sink->write(10000 * i, torch::zeros({10000, 1, 1, 1}));
  sink->finish();
  const auto line = "python3 -c \"import zipfile; assert len(zipfile.ZipFile('" + folder / "x.zip" +
                    "').namelist()) == 70000\"";
  REQUIRE(std::system(line.c_str()) == 0);
}

TEST_CASE("a full disk is named and leaves no file that looks finished", "[io][error]") {
  const TemporaryDirectory folder;
  const auto x = random_images(30);
  SECTION("a folder") {
    const auto sink = make_image_sink(options_for(folder / "images", 30), SinkStart::anew);
    const FullDisk full(20);
    REQUIRE_THROWS_WITH(sink->write(0, x), Contains("00000.png") && Contains("File too large"));
    REQUIRE(names_in(folder / "images").empty());
  }
  SECTION("a zip archive, while it is packed") {
    const auto sink = make_image_sink(options_for(folder / "x.zip", 30), SinkStart::anew);
    sink->write(0, x);
    {
      const FullDisk full(2000);
      REQUIRE_THROWS_WITH(sink->finish(), Contains("x.zip") && Contains("File too large"));
    }
    REQUIRE(names_in(folder.string()) == std::set<std::string>{"x.zip.part"});
    REQUIRE(names_in(folder / "x.zip.part").count("archive") == 0);
    sink->finish();  // with room again, nothing is lost
    REQUIRE(std::filesystem::exists(folder / "x.zip"));
  }
  SECTION("a safetensors file, before the first image") {
    const FullDisk full(2000);
    REQUIRE_THROWS_WITH(make_image_sink(options_for(folder / "x.safetensors", 30), SinkStart::anew),
                        Contains("x.safetensors") && Contains("File too large"));
    REQUIRE(names_in(folder.string()).empty());
  }
}

TEST_CASE("places where no images can go are refused by name", "[io][error]") {
  const TemporaryDirectory folder;
  put(folder / "file", "x");
  for (const char* name : {"images", "images.zip", "images.safetensors"}) {
    REQUIRE_THROWS_WITH(
        make_image_sink(options_for(folder / "file" + "/" + name, 2), SinkStart::anew),
        Contains(folder / "file"));
  }
  for (const char* name : {"x.zip", "x.safetensors"}) {
    make_directory(folder / name);
    REQUIRE_THROWS_WITH(make_image_sink(options_for(folder / name, 2), SinkStart::anew),
                        Contains(name) && Contains("is a directory"));
  }
}

TEST_CASE("a file of other images is not gone on with", "[io][error]") {
  const TemporaryDirectory folder;
  const auto path = folder / "x.safetensors";
  make_image_sink(options_for(path, 3), SinkStart::anew);
  REQUIRE_THROWS_WITH(make_image_sink(options_for(path, 4), SinkStart::resumed),
                      Contains("x.safetensors.part/samples") && Contains("4 x 3 x 6 x 5"));
  remove_all(path + ".part/samples");
  REQUIRE_THROWS_WITH(make_image_sink(options_for(path, 3), SinkStart::resumed),
                      Contains("No such file"));
}
