#include "data/batch_stream.h"

#include "tests/support/catch.h"

using namespace halcyon;

namespace {

/// n images of 1 x 2 x 3 pixels, each asymmetric and beginning with its index; labels the same.
ImageSet numbered(int64_t n) {
  ImageSet set;
  set.images = torch::stack({torch::arange(n), torch::arange(n) + 50, torch::arange(n) + 100}, 1)
                   .view({n, 1, 1, 3})
                   .expand({n, 1, 2, 3})
                   .to(torch::kUInt8)
                   .contiguous();
  set.labels = torch::arange(n);
  return set;
}

/// The labels of `count` batches laid end to end.
torch::Tensor drawn_labels(BatchStream& stream, int64_t count) {
  std::vector<torch::Tensor> labels;
  for (int64_t i = 0; i < count; ++i) labels.push_back(stream.next().label);
  return torch::cat(labels);
}

}  // namespace

TEST_CASE("every epoch of a batch stream is a new permutation of the whole set",
          "[data][property]") {
  const auto set = numbered(7);
  const int64_t batch_size = GENERATE(1, 3, 7, 10);
  BatchStream stream(set, batch_size, /*flip=*/false, /*seed=*/1);
  const auto epochs = drawn_labels(stream, 21).narrow(0, 0, 21).view({3, 7});
  for (int64_t e = 0; e < 3; ++e) {
    CHECK(torch::equal(std::get<0>(epochs[e].sort()), torch::arange(7)));
  }
  CHECK_FALSE(torch::equal(epochs[0], epochs[1]));
  CHECK_FALSE(torch::equal(epochs[1], epochs[2]));
  // The order does not depend on how it is cut into batches, but does on the seed.
  BatchStream by_two(set, 2, /*flip=*/false, /*seed=*/1);
  CHECK(torch::equal(drawn_labels(by_two, 7), epochs.flatten().narrow(0, 0, 14)));
  BatchStream other(set, 2, /*flip=*/false, /*seed=*/2);
  CHECK_FALSE(torch::equal(drawn_labels(other, 7), epochs.flatten().narrow(0, 0, 14)));
}

TEST_CASE("a stream begun at batch k is bitwise the stream that drew k batches",
          "[data][property]") {
  const auto set = numbered(7);
  const int64_t batch_size = GENERATE(3, 17);
  BatchStream stream(set, batch_size, /*flip=*/true, /*seed=*/5);
  for (int64_t k = 0; k < 11; ++k) {
    CHECK(stream.position() == k);
    BatchStream resumed(set, batch_size, /*flip=*/true, /*seed=*/5, /*first_batch=*/k);
    CHECK(resumed.position() == k);
    const auto expected = stream.next();
    const auto batch = resumed.next();
    CHECK(torch::equal(batch.x0, expected.x0));
    CHECK(torch::equal(batch.label, expected.label));
  }
}

TEST_CASE("batches are in model units and flips mirror about half of the images",
          "[data][statistical]") {
  const auto set = numbered(100);
  BatchStream plain(set, 100, /*flip=*/false, /*seed=*/3);
  auto batch = plain.next();
  CHECK(torch::equal(batch.x0, to_model_units(set.images).index_select(0, batch.label)));

  BatchStream flipping(set, 100, /*flip=*/true, /*seed=*/3);
  int64_t flipped = 0;
  torch::Tensor flipped_before;
  for (int64_t epoch = 0; epoch < 4; ++epoch) {
    batch = flipping.next();
    const auto upright = to_model_units(set.images).index_select(0, batch.label);
    const auto same = (batch.x0 == upright).flatten(1).all(1);
    const auto mirrored = (batch.x0 == upright.flip({3})).flatten(1).all(1);
    CHECK((same != mirrored).all().item<bool>());
    const auto by_image = torch::zeros({100}, torch::kBool).index_put({batch.label}, mirrored);
    if (epoch > 0) CHECK_FALSE(torch::equal(by_image, flipped_before));
    flipped_before = by_image;
    flipped += mirrored.sum().item<int64_t>();
  }
  CHECK(std::abs(flipped - 200) <= 40);  // 4 standard deviations of Binomial(400, 1/2)
}

TEST_CASE("batches of images that lie on the device are bitwise those made on the host",
          "[data][property]") {
  const auto device = GENERATE(torch::kCPU, torch::kCUDA);
  if (device == torch::kCUDA && !torch::cuda::is_available()) return;
  const bool flip = GENERATE(false, true), pixels = GENERATE(false, true);
  auto set = numbered(11);
  set.images = torch::randint(256, {11, 3, 5, 4}, torch::kUInt8);
  if (!pixels) set.images = torch::randn({11, 3, 5, 4});
  BatchStream host(set, 4, flip, /*seed=*/2, /*first_batch=*/3);
  BatchStream resident(set, 4, flip, /*seed=*/2, /*first_batch=*/3, device, Residence::device);
  for (int64_t k = 0; k < 9; ++k) {
    const auto expected = host.next();
    const auto batch = resident.next();
    CHECK(batch.x0.device().type() == device);
    CHECK(torch::equal(batch.x0.cpu(), expected.x0));
    CHECK(torch::equal(batch.label.cpu(), expected.label));
  }
}

TEST_CASE("float sets pass through a stream unchanged and without labels", "[data]") {
  ImageSet set;
  set.images = 5 * torch::randn({4, 1, 1, 2}, torch::kFloat64);
  BatchStream stream(set, 4, /*flip=*/false, /*seed=*/0);
  const auto batch = stream.next();
  CHECK_FALSE(batch.label.defined());
  CHECK(batch.x0.scalar_type() == torch::kFloat32);
  CHECK(torch::equal(std::get<0>(batch.x0.flatten().sort()),
                     std::get<0>(set.images.to(torch::kFloat32).flatten().sort())));
}

TEST_CASE("a failure on the other thread reaches next and a stream ends at any time",
          "[data][error]") {
  const auto set = numbered(3);
  BatchStream too_large(set, INT64_MAX / 2, /*flip=*/false, /*seed=*/0);
  CHECK_THROWS(too_large.next());
  CHECK_THROWS(too_large.next());
  for (int64_t i = 0; i < 50; ++i) {
    BatchStream stream(set, 2, /*flip=*/true, /*seed=*/0);
    for (int64_t k = 0; k < i % 7; ++k) stream.next();
  }
  CHECK_THROWS_WITH(BatchStream(set, 0, /*flip=*/false, /*seed=*/0),
                    halcyon::testing::Contains("batch_size > 0"));
  CHECK_THROWS(BatchStream(ImageSet(), 1, /*flip=*/false, /*seed=*/0));
}
