#pragma once

#include <torch/types.h>

#include <string>
#include <string_view>

namespace halcyon {

/// The bytes of a .npy file of version 1.0 (the format is in NumPy's numpy.lib.format):
///
///     "\x93NUMPY" 1 0 | u16 header length, little endian | header, padded to 64 bytes | data
///     {'descr': '<f8', 'fortran_order': False, 'shape': (2048,), }
std::string npy_bytes(const torch::Tensor& array);

/// The array in such bytes, of version 1, 2 or 3.  @throws DataError saying what is wrong
torch::Tensor parse_npy(std::string_view bytes);

}  // namespace halcyon
