#include "core/error.h"
#include "tests/data/written_files.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

/// One CIFAR-10 record with planes of constant r, g and b.
std::string record(int label, int r, int g, int b) {
  return text_of({label}) + std::string(1024, static_cast<char>(r)) +
         std::string(1024, static_cast<char>(g)) + std::string(1024, static_cast<char>(b));
}

}  // namespace

TEST_CASE("CIFAR-10 batches are label byte and three planes, read in name order", "[data]") {
  const TemporaryFolder folder;
  folder.write("data_batch_2.bin", record(9, 4, 5, 6));
  folder.write("data_batch_1.bin", record(3, 1, 2, 3) + record(0, 200, 201, 202));
  folder.write("test_batch.bin", record(8, 7, 7, 7));
  folder.write("readme.html", "<html>");
  auto options = folder.options();
  options.labels = true;
  const auto train = load_image_set(options);
  CHECK(train.format == "CIFAR-10 binary");
  CHECK(
      torch::equal(train.images,
                   pixels({1, 2, 3, 200, 201, 202, 4, 5, 6}, {3, 3, 1, 1}).expand({3, 3, 32, 32})));
  CHECK(torch::equal(train.labels, torch::tensor({3, 0, 9}, torch::kInt64)));
  CHECK(train.class_names.at(9) == "truck");
  options.split = DataSplit::test;
  CHECK(torch::equal(load_image_set(options).labels, torch::tensor({8}, torch::kInt64)));
  options.split = DataSplit::all;
  CHECK(load_image_set(options).images.size(0) == 4);

  options.path = folder.write("renamed", record(5, 0, 0, 0));  // known by content
  options.split = DataSplit::train;
  CHECK(load_image_set(options).format == "CIFAR-10 binary");
  options.split = DataSplit::test;
  CHECK_THROWS_WITH(load_image_set(options), Contains("found no test part"));
}

TEST_CASE("a damaged CIFAR-10 batch is refused by name", "[data][error]") {
  const TemporaryFolder folder;
  folder.write("data_batch_1.bin", record(3, 1, 2, 3));
  folder.write("data_batch_2.bin", record(3, 1, 2, 3).substr(0, 3000));
  CHECK_THROWS_WITH(load_image_set(folder.options()),
                    Contains("data_batch_2.bin: found 3000 bytes; wanted a multiple of 3073"));
  folder.write("data_batch_2.bin", record(10, 1, 2, 3));
  CHECK_THROWS_WITH(load_image_set(folder.options()),
                    Contains("data_batch_2.bin: found the label 10; wanted 0 to 9"));
}
