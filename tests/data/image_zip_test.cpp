#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <opencv2/imgcodecs.hpp>

#include "core/error.h"
#include "data/registry.h"
#include "tests/data/written_files.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

using Files = std::vector<std::pair<std::string, std::string>>;

/// A 4 x 4 PNG of one gray value.
std::string gray_png(int value) {
  std::vector<unsigned char> bytes;
  REQUIRE(cv::imencode(".png", cv::Mat(4, 4, CV_8UC1, cv::Scalar(value)), bytes));
  return {bytes.begin(), bytes.end()};
}

std::string write_zip(const TemporaryFolder& folder, const Files& files, bool deflated = false) {
  const auto path = (folder.path() / "images.zip").string();
  auto* zip = archive_write_new();
  archive_write_set_format_zip(zip);
  archive_write_set_options(zip, deflated ? "zip:compression=deflate" : "zip:compression=store");
  archive_write_open_filename(zip, path.c_str());
  for (const auto& [name, bytes] : files) {
    auto* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, static_cast<la_int64_t>(bytes.size()));
    archive_write_header(zip, entry);
    archive_write_data(zip, bytes.data(), bytes.size());
    archive_entry_free(entry);
  }
  archive_write_close(zip);
  archive_write_free(zip);
  return path;
}

/// The gray values of the images.
std::vector<int> values(const ImageSet& set) {
  std::vector<int> found;
  for (int64_t i = 0; i < set.images.size(0); ++i) {
    found.push_back(set.images[i][0][0][0].item<int>());
  }
  return found;
}

std::string refusal(const DataOptions& options) {
  try {
    load_image_set(options);
  } catch (const DataError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("the images of a zip archive are those of its files in byte order of their names",
          "[data]") {
  const bool deflated = GENERATE(false, true);
  const TemporaryFolder folder;
  Files files = {{"b/2.png", gray_png(20)},
                 {"notes.txt", "text"},
                 {".hidden.png", gray_png(9)},
                 {"a/1.png", gray_png(10)},
                 {"__MACOSX/._1.png", "junk"}};
  for (int i = 0; i < 300; ++i)
    files.emplace_back(fmt::format("c/{:03}.png", i), gray_png(i % 256));
  DataOptions options;
  options.path = write_zip(folder, files, deflated);
  const auto set = load_image_set(options);
  CHECK(set.format == "image archive");
  CHECK(set.warnings.empty());
  const auto found = values(set);
  REQUIRE(found.size() == 302);
  CHECK(found[0] == 10);
  CHECK(found[1] == 20);
  CHECK(found[2] == 0);
  CHECK(found[301] == 299 % 256);

  options.limit = 3;
  options.labels = true;
  const auto first = load_image_set(options);
  CHECK(values(first) == std::vector<int>({10, 20, 0}));
  CHECK(first.class_names == std::vector<std::string>({"a", "b", "c"}));
  CHECK(first.labels[2].item<int>() == 2);
}

TEST_CASE("damage in a zip archive is named and never read past", "[data][error]") {
  const TemporaryFolder folder;
  DataOptions options;
  options.path = write_zip(folder, {{"a.png", gray_png(1)}, {"b.png", "no image"}});
  const auto set = load_image_set(options);
  CHECK(values(set) == std::vector<int>({1}));
  REQUIRE(set.warnings.size() == 1);
  CHECK_THAT(set.warnings[0], Contains("1 of 2") && Contains("b.png"));
  options.limit = 2;  // goes on to look for a second image
  CHECK(values(load_image_set(options)) == std::vector<int>({1}));
  options.strict = true;
  CHECK_THAT(refusal(options), Contains("b.png"));
  options = DataOptions{};

  // A bit of the pixels flipped: the CRC tells, of this file alone.
  options.path = write_zip(folder, {{"a.png", gray_png(1)}, {"b.png", gray_png(2)}});
  std::ifstream in(options.path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  bytes[bytes.find("IDAT") + 6] ^= 1;
  folder.write("images.zip", bytes);
  CHECK(values(load_image_set(options)) == std::vector<int>({2}));
  folder.write("images.zip", bytes.substr(0, bytes.size() / 2));
  CHECK_THAT(refusal(options), Contains("images.zip"));

  options.path = write_zip(folder, {{"a.png", gray_png(1)}, {"a.png", gray_png(2)}});
  CHECK_THAT(refusal(options), Contains("two files 'a.png'"));
  options.path = write_zip(folder, {{"a.txt", "text"}});
  CHECK_THAT(refusal(options), Contains("no image file"));
  options.path = write_zip(folder, {{"a.png", gray_png(1)}});
  options.split = DataSplit::test;
  CHECK_THAT(refusal(options), Contains("no test part"));
}
