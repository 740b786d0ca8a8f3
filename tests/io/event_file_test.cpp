#include "io/event_file.h"

#include <cmath>
#include <limits>

#include "core/error.h"
#include "io/crc32c.h"
#include "io/event_summary.h"
#include "tests/io/io_test.h"
#include "tests/support/catch.h"
#include "tests/support/event_reader.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("CRC-32C has the published values", "[io][oracle]") {
  REQUIRE(crc32c("123456789") == 0xE3069283);
  // RFC 3720, B.4.
  REQUIRE(crc32c(std::string(32, '\0')) == 0x8A9136AA);
  REQUIRE(crc32c(std::string(32, '\xFF')) == 0x62A8AB43);
  std::string rising;
  for (int i = 0; i < 32; ++i) rising += static_cast<char>(i);
  REQUIRE(crc32c(rising) == 0x46DD794E);
  REQUIRE(crc32c("") == 0);
}

TEST_CASE("fields have the bytes of the documentation of Protocol Buffers", "[io][oracle]") {
  REQUIRE(ProtoMessage().integer(1, 150).bytes() == "\x08\x96\x01");
  REQUIRE(ProtoMessage().text(2, "testing").bytes() == "\x12\x07testing");
  const auto inner = ProtoMessage().integer(1, 150);
  REQUIRE(ProtoMessage().message(3, inner).bytes() == "\x1a\x03\x08\x96\x01");
}

TEST_CASE("numbers of every size read back", "[io][roundtrip]") {
  const uint64_t whole = GENERATE(uint64_t{0}, uint64_t{127}, uint64_t{128}, uint64_t{16384},
                                  std::numeric_limits<uint64_t>::max());
  REQUIRE(Message(ProtoMessage().integer(300, whole).bytes()).integer(300) == whole);
  const double real = GENERATE(0.0, -1.5, 1e300, std::numeric_limits<double>::infinity());
  REQUIRE(Message(ProtoMessage().number(1, real).bytes()).number(1) == real);
  const std::vector<double> many = {1, real, -3};
  REQUIRE(Message(ProtoMessage().numbers(2, many).bytes()).numbers(2) == many);
}

TEST_CASE("an event file reads back as it was written", "[io][roundtrip]") {
  const TemporaryDirectory dir;
  const auto folder = dir / "new/events";
  {
    EventFile file(folder, 0);
    REQUIRE_FALSE(std::filesystem::exists(folder));
    file.append(3, {scalar_summary("train/loss", 0.1), scalar_summary("b", std::nan(""))});
    file.append(70000, {text_summary("config", "a = 1\n")});
  }
  const auto files = event_files(folder);
  REQUIRE(files.size() == 1);
  REQUIRE_THAT(files[0], Contains("/events.out.tfevents."));
  const auto records = read_records(files[0]);
  REQUIRE(records.size() == 4);
  REQUIRE(Message(records[0]).bytes(3) == "brain.Event:2");
  REQUIRE(Message(records[0]).number(1) > 1.6e9);
  REQUIRE(Message(records[1]).message(7).integer(1) == 1);
  const auto values = read_events(folder);
  REQUIRE(values.size() == 3);
  REQUIRE(values[0].step == 3);
  REQUIRE(values[0].tag == "train/loss");
  REQUIRE(unpacked<float>(values[0].value.bytes(2)) == 0.1F);
  REQUIRE(std::isnan(unpacked<float>(values[1].value.bytes(2))));
  REQUIRE(values[2].step == 70000);
  const auto tensor = values[2].value.message(8);
  REQUIRE(tensor.integer(1) == 7);  // DT_STRING
  REQUIRE(tensor.message(2).message(2).integer(1) == 1);
  REQUIRE(tensor.bytes(8) == "a = 1\n");
  REQUIRE(values[2].value.message(9).message(1).bytes(1) == "text");
}

TEST_CASE("summaries hold pictures and histograms and hyperparameters", "[io][roundtrip]") {
  std::string png = "\x89PNG\r\n\x1a\n";
  png += std::string("\0\0\0\rIHDR\0\0\x01\x02\0\0\0\x07", 16) + "and the rest";
  const auto image = Message(image_summary("samples", png).bytes()).message(4);
  REQUIRE(image.integer(2) == 258);  // width
  REQUIRE(image.integer(1) == 7);
  REQUIRE(image.bytes(4) == png);
  REQUIRE_THROWS_WITH(image_summary("samples", "no picture"), Contains("samples"));

  const EventHistogram histogram{0.5, 1.5, 3, 3, 3.5, {1, 2}, {2, 1}};
  const auto histo = Message(histogram_summary("norm", histogram).bytes()).message(5);
  for (uint32_t field = 1; field <= 5; ++field) {
    REQUIRE(histo.number(field) == (std::vector<double>{0.5, 1.5, 3, 3, 3.5})[field - 1]);
  }
  REQUIRE(histo.numbers(6) == std::vector<double>{1, 2});
  REQUIRE(histo.numbers(7) == std::vector<double>{2, 1});

  const std::vector<Hyperparameter> recipe = {{"a.flag", true}, {"a.rate", 0.25}, {"a.name", "x"}};
  const auto data = [](const ProtoMessage& summary) {
    const auto plugin = Message(summary.bytes()).message(9).message(1);
    REQUIRE(plugin.bytes(1) == "hparams");
    return plugin.message(2);
  };
  const auto columns = data(hparams_columns(recipe, {"train/loss"})).message(2);
  const std::vector<uint64_t> types = {2, 3, 1};  // bool, float64, string
  for (size_t i = 0; i < recipe.size(); ++i) {
    const Message info(columns.fields.at(4).at(i));
    REQUIRE(info.bytes(1) == recipe[i].first);
    REQUIRE(info.integer(4) == types[i]);
  }
  REQUIRE(columns.message(5).message(1).bytes(2) == "train/loss");
  const auto start = data(hparams_start(recipe, 12.5)).message(3);
  REQUIRE(Message(start.fields.at(1).at(0)).message(2).integer(4) == 1);
  REQUIRE(Message(start.fields.at(1).at(1)).message(2).number(2) == 0.25);
  REQUIRE(Message(start.fields.at(1).at(2)).message(2).bytes(3) == "x");
  REQUIRE(start.number(5) == 12.5);
  REQUIRE(data(hparams_end(13)).message(4).integer(1) == 1);
}

TEST_CASE("a later start has a later file and takes back what it will write anew", "[io]") {
  const TemporaryDirectory dir;
  EventFile first(dir.string(), 0);
  for (const int64_t step : {1, 2, 3}) {
    first.append(step, {scalar_summary("loss", static_cast<double>(step))});
  }
  // As a kill leaves it: the last record is cut.
  const auto old = event_files(dir.string())[0];
  std::filesystem::resize_file(old, std::filesystem::file_size(old) - 5);
  REQUIRE(EventFile::exists_in(dir.string()));
  EventFile second(dir.string(), 2);  // within the same second
  second.append(2, {scalar_summary("loss", 20)});
  REQUIRE(event_files(dir.string()).size() == 2);
  REQUIRE(event_files(dir.string())[0] == old);
  const auto values = read_events(dir.string());
  REQUIRE(values.size() == 2);
  REQUIRE(unpacked<float>(values[0].value.bytes(2)) == 1);
  REQUIRE(unpacked<float>(values[1].value.bytes(2)) == 20);
}

TEST_CASE("events that cannot be written are an error that names the file", "[io][error]") {
  const TemporaryDirectory dir;
  put(dir / "file", "");
  EventFile nowhere(dir / "file", 0);
  REQUIRE_THROWS_WITH(nowhere.append(1, {scalar_summary("loss", 1)}), Contains("file"));
  EventFile full(dir / "events", 0);
  full.append(1, {scalar_summary("loss", 1)});
  const FullDisk disk(300);
  REQUIRE_THROWS_WITH(full.append(2, {text_summary("config", std::string(1000, 'x'))}),
                      Contains("tfevents"));
}
