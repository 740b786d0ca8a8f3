#pragma once

#include <string>

#include "core/tensor_map.h"

namespace halcyon {

/// Writes NumPy's .npz, a zip of .npy files, one an array; numpy.load reads it.  Atomic, and the
/// same arrays give the same bytes.  @throws FileError
void write_npz(const std::string& path, const TensorMap& arrays);

/// Reads it, stored or deflated, on the CPU: float16, 32 and 64, int8 to 64 and uint8, little
/// endian, in either order of axes.  Nothing in the file is trusted: memory is taken only for
/// what it really holds.  Arrays of Python objects, whose reading would run code, are refused.
/// @throws DataError naming the file and the array, what was found and what was wanted
TensorMap read_npz(const std::string& path);

}  // namespace halcyon
