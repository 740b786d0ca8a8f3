#include "io/safetensors_writer.h"

#include "core/torch.h"

namespace halcyon {

SafetensorsWriter::SafetensorsWriter(const std::string& path, const TensorMap& layout,
                                     const Metadata& metadata)
    : layout_(lay_out_safetensors(layout, metadata)), file_(path) {
  const uint64_t length = layout_.json.size();
  file_.write({reinterpret_cast<const char*>(&length), sizeof(length)});
  file_.write(layout_.json);
}

void SafetensorsWriter::append(const std::string& name, const torch::Tensor& values) {
  const auto& tensors = layout_.tensors;
  while (tensor_ < tensors.size() && position_ == tensors[tensor_].end &&
         tensors[tensor_].name != name) {
    ++tensor_;
  }
  const auto data = values.detach().cpu().resolve_neg().contiguous();
  const auto bytes = data.numel() * static_cast<int64_t>(data.element_size());
  TORCH_CHECK(tensor_ < tensors.size() && tensors[tensor_].name == name &&
                  tensors[tensor_].dtype == data.scalar_type() &&
                  position_ + bytes <= tensors[tensor_].end,
              "safetensors: ", bytes, " bytes of ", data.scalar_type(), " for the tensor \"", name,
              "\" do not come next");
  file_.write({static_cast<const char*>(data.data_ptr()), static_cast<size_t>(bytes)});
  position_ += bytes;
}

void SafetensorsWriter::commit() {
  TORCH_CHECK(layout_.tensors.empty() || position_ == layout_.tensors.back().end,
              "safetensors: tensors are missing after byte ", position_, " of the data");
  file_.commit();
}

}  // namespace halcyon
