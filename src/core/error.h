#pragma once

#include <stdexcept>

namespace halcyon {

/// Something the user can mend.  The message names the file or key, what was found and what was
/// wanted; the program prints it and exits with 2.
struct UserError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct ConfigError : UserError {
  using UserError::UserError;
};
struct DataError : UserError {
  using UserError::UserError;
};
struct CheckpointError : UserError {
  using UserError::UserError;
};
/// A file that cannot be written or read: permissions, a full disk, a directory in use.
struct FileError : UserError {
  using UserError::UserError;
};
/// Training left the finite numbers; the message names the step and the range of sigma.
struct NonFiniteError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace halcyon
