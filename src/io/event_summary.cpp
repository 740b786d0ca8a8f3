#include "io/event_summary.h"

#include <torch/types.h>

namespace halcyon {
namespace {

// Fields of Summary.Value, and of the messages in it.
enum : uint32_t { kTag = 1, kSimpleValue = 2, kImage = 4, kHisto = 5, kTensor = 8, kMetadata = 9 };

constexpr uint64_t kFloat = 1, kString = 7;  // of DataType

/// SummaryMetadata that gives a value to a plugin.
ProtoMessage metadata(const std::string& plugin, const ProtoMessage& content) {
  ProtoMessage plugin_data;
  plugin_data.text(1, plugin).message(2, content);
  return ProtoMessage().message(1, plugin_data);
}

ProtoMessage tagged(const std::string& tag) { return ProtoMessage().text(kTag, tag); }

uint64_t big_endian(const std::string& bytes, size_t at) {
  uint64_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

/// A HParamsPluginData with one of its parts.  The plugin reads the metadata; the value is 0.
ProtoMessage hparams_summary(const std::string& name, uint32_t part, const ProtoMessage& data) {
  ProtoMessage null_tensor;
  null_tensor.integer(1, kFloat).message(2, {}).number(5, 0.0F);
  return tagged("_hparams_/" + name)
      .message(kMetadata, metadata("hparams", ProtoMessage().message(part, data)))
      .message(kTensor, null_tensor);
}

/// google.protobuf.Value.
ProtoMessage value_of(const Hyperparameter& hyperparameter) {
  ProtoMessage value;
  if (const auto* number = std::get_if<double>(&hyperparameter.second)) {
    value.number(2, *number);
  } else if (const auto* text = std::get_if<std::string>(&hyperparameter.second)) {
    value.text(3, *text);
  } else {
    value.integer(4, std::get<bool>(hyperparameter.second));
  }
  return value;
}

/// DataType of the plugin.
uint64_t type_of(const Hyperparameter& hyperparameter) {
  if (std::holds_alternative<std::string>(hyperparameter.second)) return 1;
  return std::holds_alternative<bool>(hyperparameter.second) ? 2 : 3;
}

}  // namespace

ProtoMessage scalar_summary(const std::string& tag, double value) {
  return tagged(tag).number(kSimpleValue, static_cast<float>(value));
}

ProtoMessage image_summary(const std::string& tag, const std::string& png) {
  // 8 bytes of signature, then IHDR: length, name, width, height.
  TORCH_CHECK(png.size() > 24 && png.compare(1, 3, "PNG") == 0, tag, " is no PNG picture");
  constexpr uint64_t kRgb = 3;
  ProtoMessage image;
  image.integer(1, big_endian(png, 20)).integer(2, big_endian(png, 16)).integer(3, kRgb);
  return tagged(tag).message(kImage, image.text(4, png));
}

ProtoMessage histogram_summary(const std::string& tag, const EventHistogram& histogram) {
  TORCH_CHECK(histogram.limits.size() == histogram.counts.size(), "a limit for every count");
  ProtoMessage message;
  message.number(1, histogram.min).number(2, histogram.max).number(3, histogram.count);
  message.number(4, histogram.sum).number(5, histogram.sum_squares);
  message.numbers(6, histogram.limits).numbers(7, histogram.counts);
  return tagged(tag).message(kHisto, message);
}

ProtoMessage text_summary(const std::string& tag, const std::string& markdown) {
  const auto one = ProtoMessage().message(2, ProtoMessage().integer(1, 1));  // a dimension of 1
  ProtoMessage tensor;
  tensor.integer(1, kString).message(2, one).text(8, markdown);
  return tagged(tag).message(kMetadata, metadata("text", {})).message(kTensor, tensor);
}

ProtoMessage hparams_columns(const std::vector<Hyperparameter>& hyperparameters,
                             const std::vector<std::string>& metric_tags) {
  ProtoMessage experiment;
  for (const auto& hyperparameter : hyperparameters) {
    ProtoMessage info;
    experiment.message(4, info.text(1, hyperparameter.first).integer(4, type_of(hyperparameter)));
  }
  for (const auto& tag : metric_tags) {
    const auto name = ProtoMessage().text(2, tag);
    experiment.message(5, ProtoMessage().message(1, name));
  }
  return hparams_summary("experiment", 2, experiment);
}

ProtoMessage hparams_start(const std::vector<Hyperparameter>& hyperparameters, double time) {
  ProtoMessage start;
  for (const auto& hyperparameter : hyperparameters) {
    ProtoMessage entry;
    start.message(1, entry.text(1, hyperparameter.first).message(2, value_of(hyperparameter)));
  }
  return hparams_summary("session_start_info", 3, start.number(5, time));
}

ProtoMessage hparams_end(double time) {
  constexpr uint64_t kSuccess = 1;
  return hparams_summary("session_end_info", 4,
                         ProtoMessage().integer(1, kSuccess).number(2, time));
}

}  // namespace halcyon
