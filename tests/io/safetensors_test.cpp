#include "io/safetensors.h"

#include "core/error.h"
#include "io/atomic_file.h"
#include "io/safetensors_writer.h"
#include "tests/io/io_test.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

/// A file with this header, as it stands, and `data_bytes` zeros.
std::string raw_file(const std::string& header, size_t data_bytes = 0) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i) & 0xff);
  return bytes + header + std::string(data_bytes, '\0');
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + "}";
}

}  // namespace

TEST_CASE("tensors of every dtype and shape come back bitwise from safetensors",
          "[io][roundtrip]") {
  const TemporaryDirectory folder;
  SafetensorsFile file;
  for (const auto dtype :
       {torch::kFloat64, torch::kFloat32, torch::kFloat16, torch::kBFloat16, torch::kInt64,
        torch::kInt32, torch::kInt16, torch::kInt8, torch::kUInt8}) {
    const auto x = (100 * torch::rand({3, 4, 5})).to(dtype);
    file.tensors[dtype_name(dtype)] = x;
    file.tensors["strided " + dtype_name(dtype)] = x.transpose(0, 2).slice(1, 0, 4, 2);
  }
  file.tensors["bool"] = torch::rand({7}) > 0.5;
  file.tensors["scalar"] = torch::tensor(2.5, torch::requires_grad());
  file.tensors["empty"] = torch::empty({0, 3});
  file.tensors["nan"] = torch::full({2}, std::nan(""));
  file.tensors["name \" \\ \n σ"] = torch::ones({1});
  file.metadata = {{"config", "[a]\nb = \"c\"\n"}, {"σ", "ü"}};

  write_safetensors(folder / "x.safetensors", file.tensors, file.metadata);
  const auto back = read_safetensors(folder / "x.safetensors");
  REQUIRE(back.metadata == file.metadata);
  REQUIRE(back.tensors.size() == file.tensors.size());
  for (const auto& [name, tensor] : file.tensors) {
    INFO(name);
    const auto& read = back.tensors.at(name);
    REQUIRE(read.scalar_type() == tensor.scalar_type());
    REQUIRE(read.sizes() == tensor.sizes());
    REQUIRE(torch::equal(read.view({-1}).view(torch::kUInt8),
                         tensor.detach().contiguous().view({-1}).view(torch::kUInt8)));
  }
  write_safetensors(folder / "none.safetensors", {}, {});
  REQUIRE(read_safetensors(folder / "none.safetensors").tensors.empty());
}

TEST_CASE("a safetensors reader fills tensors where they are, whatever their strides",
          "[io][roundtrip]") {
  const TemporaryDirectory folder;
  const auto path = folder / "x.safetensors";
  const TensorMap tensors = {{"x", torch::randn({2, 3, 4, 5})}, {"flag", torch::rand({9}) > 0.5}};
  write_safetensors(path, tensors, {{"who", "me"}});
  const SafetensorsReader reader(path);
  REQUIRE(reader.metadata().at("who") == "me");
  require_same_layout(reader.layout(), tensors);

  const auto contiguous = torch::empty({2, 3, 4, 5});
  const auto* place = contiguous.data_ptr();
  const auto channels_last =
      torch::empty({2, 3, 4, 5}).contiguous(torch::MemoryFormat::ChannelsLast);
  const auto flag = torch::empty({9}, torch::kBool);
  reader.read("x", contiguous);
  reader.read("x", channels_last);
  reader.read("flag", flag);
  REQUIRE(contiguous.equal(tensors.at("x")));
  REQUIRE(contiguous.data_ptr() == place);
  REQUIRE(channels_last.equal(tensors.at("x")));
  REQUIRE(channels_last.is_contiguous(torch::MemoryFormat::ChannelsLast));
  REQUIRE(flag.equal(tensors.at("flag")));
  REQUIRE_THROWS_AS(reader.read("x", torch::empty({6, 20})), c10::Error);
  REQUIRE_THROWS_AS(reader.read("y", contiguous), c10::Error);
}

TEST_CASE("safetensors bytes are those of the format", "[io][golden]") {
  const TemporaryDirectory folder;
  const auto path = folder / "x.safetensors";
  write_safetensors(path, {{"a", torch::tensor({1, 2}, torch::kUInt8)}, {"b", torch::ones({1, 1})}},
                    {{"k", "v"}});
  const std::string header = "{\"__metadata__\":{\"k\":\"v\"}," +
                             entry("b", "F32", "[1,1]", "[0,4]") + "," +
                             entry("a", "U8", "[2]", "[4,6]") + "}";
  const auto padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  REQUIRE(read_file(path) == raw_file(padded) + std::string("\0\0\x80\x3f\1\2", 6));

  const auto info = read_safetensors_header(path);
  REQUIRE(info.tensors.size() == 2);
  REQUIRE(info.tensors[0].name == "b");
  REQUIRE(info.tensors[0].dtype == torch::kFloat32);
  REQUIRE(info.tensors[0].shape == std::vector<int64_t>{1, 1});
  REQUIRE(info.metadata.at("k") == "v");
}

TEST_CASE("a hostile safetensors header is refused with its fault", "[io][error]") {
  const auto a = entry("a", "U8", "[4]", "[0,4]");
  const std::string big = "9223372036854775807";
  const auto [header, data, fault] = GENERATE_COPY(table<std::string, size_t, std::string>({
      {"not json", 0, "not JSON"},
      {"", 0, "not JSON"},
      {"{" + a + "}}", 4, "not JSON"},
      {"{" + a, 4, "not JSON"},
      {"[]", 0, "a list"},
      {"null", 0, "null"},
      {std::string(500000, '['), 0, "a list"},
      {"{\"a\":" + std::string(500000, '['), 0, "a list"},
      {"{\"a\":{\"shape\":[[1]]}}", 0, "a list"},
      {"{\"a\":{\"dtype\":{\"b\":1}}}", 0, "an object"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 0, "lacks one of"},
      {"{\"a\":{\"more\":1}}", 0, "unknown field \"more\""},
      {"{\"a\":3}", 0, "a number"},
      {"{\"__metadata__\":\"text\"}", 0, "a text"},
      {"{\"__metadata__\":{\"k\":1}}", 0, "a number"},
      {"{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, "\"k\" appears twice"},
      {"{" + a + "," + a + "}", 4, "\"a\" appears twice"},
      {"{" + entry("a", "F8", "[4]", "[0,4]") + "}", 4, "dtype \"F8\"; known are F64"},
      {"{" + entry("a", "U8", "[-4]", "[0,4]") + "}", 4, "a negative number"},
      {"{" + entry("a", "U8", "[4.0]", "[0,4]") + "}", 4, "a fraction"},
      {"{" + entry("a", "U8", "[18446744073709551615]", "[0,4]") + "}", 4, "beyond 2^63"},
      {"{" + entry("a", "U8", "[" + big + "," + big + "]", "[0,4]") + "}", 4, "overflows"},
      {"{" + entry("a", "F32", "[4611686018427387904]", "[0,0]") + "}", 0, "overflows"},
      {"{" + entry("a", "U8", "[0," + big + "," + big + "]", "[0,0]") + "}", 0, "overflows"},
      {"{" + entry("a", "U8", "[4]", "[4,0]") + "}", 4, "wanted [begin, end]"},
      {"{" + entry("a", "U8", "[4]", "[0,4,4]") + "}", 4, "wanted [begin, end]"},
      {"{" + entry("a", "U8", "[4]", "[]") + "}", 4, "wanted [begin, end]"},
      {"{" + entry("a", "U8", "[4]", "[0," + big + "]") + "}", 4, "cut short"},
      {"{" + a + "}", 3, "ends at byte 4 of the data, but the file holds 3: it is cut short"},
      {"{" + a + "}", 5, "the file holds 5"},
      {"{" + entry("a", "F32", "[4]", "[0,4]") + "}", 4, "has 4 bytes, but its dtype F32"},
      {"{" + a + "," + entry("b", "U8", "[2]", "[2,4]") + "}", 4, "they overlap"},
      {"{" + a + "," + entry("b", "U8", "[2]", "[6,8]") + "}", 8, "there is a gap"},
  }));
  const TemporaryDirectory folder;
  const auto path = folder / "x.safetensors";
  put(path, raw_file(header, data));
  INFO(header.substr(0, 200));
  REQUIRE_THROWS_AS(read_safetensors_header(path), CheckpointError);
  REQUIRE_THROWS_WITH(read_safetensors(path), Contains(path) && Contains(fault));
}

TEST_CASE("what is not safetensors at all is refused with a hint", "[io][error]") {
  const TemporaryDirectory folder;
  const auto path = folder / "x.safetensors";
  const auto refusal = [&](const std::string& bytes) -> std::string {
    put(path, bytes);
    try {
      read_safetensors(path);
    } catch (const CheckpointError& error) {
      return error.what();
    }
    return "accepted";
  };
  REQUIRE_THAT(refusal(""), Contains("it has 0 bytes"));
  REQUIRE_THAT(refusal("1234567"), Contains("it has 7 bytes"));
  REQUIRE_THAT(refusal(std::string("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10)), Contains("at most"));
  REQUIRE_THAT(refusal(std::string("\x09\0\0\0\0\0\0\0{}", 10)), Contains("only 2 follow"));
  REQUIRE_THAT(refusal(std::string("PK\x03\x04 torch.save of today")),
               Contains("weights_only=True"));
  REQUIRE_THAT(refusal(std::string("\x80\x02}q\x00.........", 14)), Contains("never read"));
  REQUIRE_THAT(refusal(raw_file("{" + entry("a", "BOOL", "[1]", "[0,1]") + "}") + "\x02"),
               Contains("BOOL"));
  REQUIRE_THROWS_WITH(read_safetensors(folder / "none"), Contains("No such file"));
  REQUIRE_THROWS_WITH(read_safetensors(folder.string()), Contains("it is a directory"));
  REQUIRE_THROWS_AS(read_safetensors("/dev/zero"), CheckpointError);
}

TEST_CASE("a header whose length looks like the mark of a pickle is read", "[io][property]") {
  const TemporaryDirectory folder;
  const auto path = folder / "x.safetensors";
  std::string header = "{" + entry("a", "U8", "[4]", "[0,4]") + "}";
  header.resize(0x280, ' ');  // starts 80 02
  put(path, raw_file(header, 4));
  REQUIRE(read_safetensors(path).tensors.at("a").numel() == 4);
}

TEST_CASE("a truncated safetensors file is refused wherever the cut is", "[io][error]") {
  const TemporaryDirectory folder;
  const auto path = folder / "x.safetensors";
  write_safetensors(path, {{"a", torch::ones({3})}, {"b", torch::ones({2}, torch::kInt64)}}, {});
  const auto whole = read_file(path);
  for (size_t size = 0; size < whole.size(); ++size) {
    put(path, whole.substr(0, size));
    INFO(size);
    REQUIRE_THROWS_AS(read_safetensors(path), CheckpointError);
  }
}

TEST_CASE("a file written piece by piece is the same as one written at once", "[io][roundtrip]") {
  const TemporaryDirectory folder;
  const auto a = torch::arange(24, torch::kFloat32).reshape({6, 2, 2});
  const auto b = torch::arange(3, torch::kInt64);
  const auto empty = torch::empty({0, 4}, torch::kFloat32);
  const TensorMap tensors = {{"a", a}, {"b", b}, {"c", empty}};
  write_safetensors(folder / "whole.safetensors", tensors, {{"who", "me"}});
  const auto path = folder / "parts.safetensors";
  TensorMap layout;
  for (const auto& [name, tensor] : tensors) layout[name] = tensor.to(c10::kMeta);
  {
    SafetensorsWriter writer(path, layout, {{"who", "me"}});
    writer.append("b", b);
    writer.append("a", a.narrow(0, 0, 4));
    REQUIRE_THROWS_WITH(writer.append("a", a), Contains("\"a\""));
    REQUIRE_THROWS_WITH(writer.append("b", b), Contains("\"b\""));
    REQUIRE_THROWS_WITH(writer.append("a", a.to(torch::kFloat64)), Contains("\"a\""));
    REQUIRE_THROWS_WITH(writer.commit(), Contains("missing"));
    writer.append("a", a.transpose(1, 2).transpose(1, 2).narrow(0, 4, 2));
    REQUIRE_FALSE(std::filesystem::exists(path));
    writer.commit();
  }
  REQUIRE(read_file(path) == read_file(folder / "whole.safetensors"));
}
