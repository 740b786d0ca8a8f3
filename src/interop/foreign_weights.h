#pragma once

#include <map>
#include <string>
#include <vector>

#include "interop/name_map.h"
#include "io/safetensors.h"

namespace halcyon {

/// The tensors of one or more safetensors files of another program, read one by one.
class ForeignWeights {
 public:
  /// @throws CheckpointError as SafetensorsReader, or for a name that is in two files.
  explicit ForeignWeights(const std::vector<std::string>& files);

  /// Of the first file.
  const Metadata& metadata() const { return readers_.front().metadata(); }

  /// Names, shapes and types: tensors without data, on the device "meta".
  const TensorMap& layout() const { return layout_; }

  /// Fills every tensor of `own` with what the files have for it under one of `names`, converted to
  /// its type.  Dimensions of size 1 may be more or fewer, as in a 1x1 convolution for a linear
  /// map; the table of classes may lack its last row, "no class", which is then zero.
  /// @throws CheckpointError that lists what is missing, left over or misshapen; nothing is filled
  void fill(const TensorMap& own, const NameMap& names) const;

 private:
  void read(const std::string& name, const torch::Tensor& into) const;

  std::vector<SafetensorsReader> readers_;
  std::map<std::string, size_t> file_of_;
  TensorMap layout_;
};

/// @throws CheckpointError with the line of Python that converts it, if the name of the file is
/// that of a pickle.
void refuse_pickle(const std::string& file);

}  // namespace halcyon
