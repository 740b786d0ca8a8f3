#include "core/error.h"
#include "tests/data/written_files.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

std::string idx(const std::vector<int64_t>& shape, const std::string& data) {
  auto bytes = text_of({0, 0, 8}) + big_endian(static_cast<int64_t>(shape.size()), 1);
  for (const auto n : shape) bytes += big_endian(n);
  return bytes + data;
}

std::string gzipped(const TemporaryFolder& folder, const std::string& bytes) {
  const auto file = (folder.path() / ".scratch").string();
  const auto out = gzopen(file.c_str(), "wb");
  gzwrite(out, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(out);
  std::ifstream in(file, std::ios::binary);
  std::string packed{std::istreambuf_iterator<char>(in), {}};
  std::filesystem::remove(file);
  return packed;
}

const auto kThree = idx({3, 2, 2}, text_of({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255}));
const auto kLabels = idx({3}, text_of({7, 0, 9}));

}  // namespace

TEST_CASE("an IDX folder is read by part, gzip or plain, with its labels", "[data]") {
  const TemporaryFolder folder;
  folder.write("train-images-idx3-ubyte.gz", gzipped(folder, kThree));
  folder.write("train-labels-idx1-ubyte.gz", gzipped(folder, kLabels));
  auto options = folder.options();
  CHECK_FALSE(load_image_set(options).labels.defined());
  options.split = DataSplit::test;
  CHECK_THROWS_WITH(load_image_set(options), Contains("found no test images"));
  folder.write("t10k-images-idx3-ubyte", idx({1, 2, 2}, "abcd"));
  folder.write("t10k-labels-idx1-ubyte", idx({1}, text_of({4})));

  const auto expected = pixels({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255}, {3, 1, 2, 2});
  options.labels = true;
  options.split = DataSplit::train;
  const auto train = load_image_set(options);
  CHECK(train.format == "IDX");
  CHECK(torch::equal(train.images, expected));
  CHECK(torch::equal(train.labels, torch::tensor({7, 0, 9}, torch::kInt64)));
  options.split = DataSplit::test;
  CHECK(torch::equal(load_image_set(options).images, pixels({'a', 'b', 'c', 'd'}, {1, 1, 2, 2})));
  options.split = DataSplit::all;
  CHECK(torch::equal(load_image_set(options).labels, torch::tensor({7, 0, 9, 4}, torch::kInt64)));

  // A file that is unpacked beside its .gz is one file, and one may be named alone.
  folder.write("train-images-idx3-ubyte", kThree);
  options.split = DataSplit::train;
  options.limit = 2;
  CHECK(torch::equal(load_image_set(options).images, expected.narrow(0, 0, 2)));
  options.path += "/train-images-idx3-ubyte.gz";
  CHECK(torch::equal(load_image_set(options).labels, torch::tensor({7, 0}, torch::kInt64)));
  options.split = DataSplit::test;
  CHECK_THROWS_AS(load_image_set(options), DataError);
}

TEST_CASE("a damaged IDX file is refused by name with what was found and wanted", "[data][error]") {
  const TemporaryFolder folder;
  const auto refused = [&](const std::string& bytes, const std::string& message) {
    auto options = folder.options();
    options.path = folder.write("x-idx3-ubyte", bytes);
    CHECK_THROWS_AS(load_image_set(options), DataError);
    CHECK_THROWS_WITH(load_image_set(options),
                      Contains("x-idx3-ubyte: ") && Contains(message) && Contains("wanted"));
  };
  refused("", "found 0 bytes");
  refused("\x89PNG", "found the magic number 0x89504E47");
  refused(text_of({0, 0, 0x0D, 3}), "0x00000D03");
  refused(text_of({0, 0, 8, 2}), "0x00000802");
  refused(kThree.substr(0, 10), "truncated header");
  refused(kThree.substr(0, kThree.size() - 1),
          "found 11 bytes of data, truncated; wanted 12 = [3, 2, 2]");
  refused(kThree + "x", "trailing bytes; wanted 12");
  refused(kLabels, "found [3]");
  refused(idx({1, 2, 1, 1}, "ab"), "found [1, 2, 1, 1]");
  refused(idx({1, 0, 2}, ""), "found [1, 0, 2]");
  refused(idx({0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}, "ab"), "declares [4294967295, ");
  refused(idx({60000, 1000, 1000}, "ab"), "found 2 bytes of data, truncated");
  const auto packed = gzipped(folder, kThree);
  refused(packed.substr(0, packed.size() - 9), "truncated");
  refused(packed.substr(0, packed.size() - 2), "truncated gzip data");
  auto corrupt = packed;
  corrupt[corrupt.size() - 6] ^= 1;  // in the CRC
  refused(corrupt, "incorrect data check");
}

TEST_CASE("IDX labels must be there and match when they are wanted", "[data][error]") {
  const TemporaryFolder folder;
  folder.write("train-images-idx3-ubyte", kThree);
  auto options = folder.options();
  options.labels = true;
  CHECK_THROWS_WITH(load_image_set(options), Contains("found no labels beside"));
  auto none = options;
  none.path = folder.write("none-idx3-ubyte", idx({0, 2, 2}, ""));
  none.labels = false;
  CHECK_THROWS_WITH(load_image_set(none), Contains("found no images in it"));
  std::filesystem::remove(none.path);
  folder.write("train-labels-idx1-ubyte", idx({2}, text_of({1, 2})));
  CHECK_THROWS_WITH(load_image_set(options), Contains("found [2] labels; wanted [3]"));
  options.labels = false;
  CHECK(load_image_set(options).images.size(0) == 3);
  folder.write("other-images-idx3-ubyte", kThree);
  CHECK_THROWS_WITH(load_image_set(options), Contains("wanted one file of images"));
}
