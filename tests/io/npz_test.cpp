#include "io/npz.h"

#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "core/torch.h"
#include "io/npy.h"
#include "io/stored_zip.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

/// A version 1 .npy file of this header and these bytes of data.
std::string npy(const std::string& header, const std::string& data) {
  std::string bytes = "\x93NUMPY";
  bytes += {'\1', '\0', static_cast<char>(header.size()), '\0'};
  return bytes + header + data;
}

std::string refusal(const std::string& bytes) {
  try {
    parse_npy(bytes);
  } catch (const DataError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("arrays come back from an .npz as they were", "[io][roundtrip]") {
  const TemporaryDirectory dir;
  const TensorMap arrays = {{"mu", torch::randn({7}, torch::kFloat64)},
                            {"sigma", torch::randn({3, 4}).t()},
                            {"count", torch::tensor(int64_t{5})},
                            {"empty", torch::zeros({0, 2})},
                            {"about", torch::tensor({1, 255}, torch::kUInt8)}};
  write_npz(dir / "stats.npz", arrays);
  const auto found = read_npz(dir / "stats.npz");
  REQUIRE(found.size() == arrays.size());
  for (const auto& [name, array] : arrays) {
    INFO(name);
    CHECK(found.at(name).scalar_type() == array.scalar_type());
    CHECK(torch::equal(found.at(name), array));
  }
  CHECK(std::distance(std::filesystem::directory_iterator(dir.string()), {}) == 1);
}

TEST_CASE("a .npy file is laid out as NumPy's format says", "[io][oracle]") {
  const auto bytes = npy_bytes(torch::tensor({1.0, 2.0}, torch::kFloat64));
  CHECK(bytes.substr(0, 10) == std::string("\x93NUMPY\1\0v\0", 10));  // 'v' = 118 bytes of header
  CHECK(bytes.substr(10, 60) == "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }   ");
  CHECK(bytes[127] == '\n');
  CHECK(bytes.size() == 128 + 16);
  CHECK(bytes.substr(128, 8) == std::string("\0\0\0\0\0\0\xF0\x3F", 8));
}

TEST_CASE("Fortran's order of axes and other spellings are read", "[io][oracle]") {
  const auto x = parse_npy(npy("{\"shape\":(2,3),\"fortran_order\":True,'descr':'|u1'}", "abcdef"));
  REQUIRE(x.sizes() == torch::IntArrayRef({2, 3}));
  CHECK(x[0][1].item<int>() == 'c');
  CHECK(x[1][0].item<int>() == 'b');
  CHECK(parse_npy(npy("{'descr': '<f4', 'fortran_order': False, 'shape': ()}\n",
                      std::string("\0\0\x80\x3F", 4)))
            .item<float>() == 1);
}

TEST_CASE("damaged and foreign arrays are refused", "[io][error]") {
  const std::string good = "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }";
  CHECK(refusal(npy(good, "ab")) == "no error");
  CHECK_THAT(refusal(npy(good, "abc")), Contains("3 bytes of data"));
  CHECK_THAT(refusal(npy("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", "ab")),
             Contains("'|O'"));
  CHECK_THAT(refusal(npy("{'descr': '>f8', 'fortran_order': False, 'shape': (1,), }", "12345678")),
             Contains("little-endian"));
  CHECK_THAT(refusal(npy("{'descr': '|u1', 'shape': (2,), }", "ab")), Contains("header"));
  CHECK_THAT(refusal(npy("{'shape': (2,), 'descr': '|u1', 'shape': (2,)}", "ab")),
             Contains("header"));
  CHECK_THAT(refusal(npy("{'descr': '|u1', 'fortran_order': False, 'shape': (-2,), }", "ab")),
             Contains("header"));
  CHECK_THAT(refusal(npy("{'descr': '<f8', 'fortran_order': False, "
                         "'shape': (4294967296, 4294967296, 4294967296), }",
                         "")),
             Contains("too large"));
  CHECK_THAT(refusal("\x93NUMPY"), Contains("no .npy"));
  CHECK_THAT(refusal(npy(good, "ab").substr(0, 30)), Contains("truncated"));

  const TemporaryDirectory dir;
  std::ofstream(dir / "text.npz") << "no archive";
  CHECK_THROWS_AS(read_npz(dir / "text.npz"), DataError);
  CHECK_THROWS_AS(read_npz(dir / "none.npz"), DataError);
  StoredZip zip(dir / "other.npz");
  zip.add("mu.txt", "1");
  zip.close();
  CHECK_THROWS_AS(read_npz(dir / "other.npz"), DataError);

  write_npz(dir / "good.npz", {{"mu", torch::arange(8, torch::kFloat64)}});
  std::ifstream in(dir / "good.npz", std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  bytes[bytes.find("NUMPY") + 130] ^= 1;  // in the numbers: the archive's CRC tells
  std::ofstream(dir / "flipped.npz", std::ios::binary) << bytes;
  CHECK_THROWS_AS(read_npz(dir / "flipped.npz"), DataError);
  std::ofstream(dir / "cut.npz", std::ios::binary) << bytes.substr(0, 150);
  CHECK_THROWS_AS(read_npz(dir / "cut.npz"), DataError);
}

TEST_CASE("a file that NumPy wrote, deflated, is read", "[io][golden]") {
  const auto arrays = read_npz(std::string(HALCYON_GOLDEN_DIR) + "/metrics/numpy_stats.npz");
  const auto mu = arrays.at("mu"), sigma = arrays.at("sigma");
  REQUIRE(mu.sizes() == torch::IntArrayRef({3}));
  CHECK(torch::equal(mu, torch::tensor({0.5, 1.5, 2.5}, torch::kFloat64)));
  REQUIRE(sigma.scalar_type() == torch::kFloat32);  // in Fortran's order
  CHECK(torch::equal(sigma, torch::arange(9, torch::kFloat32).view({3, 3}) + torch::eye(3)));
}
