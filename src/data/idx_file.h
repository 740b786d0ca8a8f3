#pragma once

#include <torch/types.h>

#include <string>

namespace halcyon {

/// True if the file, gzip or plain, begins with an IDX magic number: 0, 0, element type, rank.
bool begins_like_idx(const std::string& path);

/// Rank of an IDX file of unsigned bytes: 1 for labels, 3 or 4 for images.
/// @throws DataError for any other magic number.
int64_t idx_rank(const std::string& path);

/// The array in an IDX file of unsigned bytes of rank 1, 3 or 4, gzip or plain; uint8.
/// @throws DataError if the file cannot be read, is cut short, goes on past its last element,
/// or declares more than 2^36 bytes.
torch::Tensor read_idx(const std::string& path);

}  // namespace halcyon
