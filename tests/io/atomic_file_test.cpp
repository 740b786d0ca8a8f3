#include "io/atomic_file.h"

#include "core/error.h"
#include "tests/io/io_test.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("an atomic write replaces the whole file and leaves nothing else", "[io][roundtrip]") {
  const TemporaryDirectory folder;
  const std::string bytes("a\0b\n\xff", 5);
  write_file_atomically(folder / "file", std::string(100000, 'x'));
  write_file_atomically(folder / "file", bytes);
  REQUIRE(read_file(folder / "file") == bytes);
  REQUIRE(names_in(folder.string()) == std::set<std::string>{"file"});
}

TEST_CASE("a full disk leaves the old file and no temporary one", "[io][error]") {
  const TemporaryDirectory folder;
  write_file_atomically(folder / "file", "old");
  {
    const FullDisk full(4096);
    REQUIRE_THROWS_WITH(write_file_atomically(folder / "file", std::string(10000, 'x')),
                        Contains(folder / "file") && Contains("File too large"));
  }
  REQUIRE(read_file(folder / "file") == "old");
  REQUIRE(names_in(folder.string()) == std::set<std::string>{"file"});
}

TEST_CASE("an uncommitted atomic file vanishes", "[io][property]") {
  const TemporaryDirectory folder;
  { AtomicFile(folder / "file").write("part"); }
  REQUIRE(names_in(folder.string()).empty());
}

TEST_CASE("places that cannot be written or read are named with the reason", "[io][error]") {
  const TemporaryDirectory folder;
  put(folder / "file", "x");
  REQUIRE_THROWS_WITH(write_file_atomically(folder / "file/below", "y"),
                      Contains("file/below") && Contains("Not a directory"));
  REQUIRE_THROWS_WITH(write_file_atomically(folder / "none/file", "y"),
                      Contains("No such file or directory"));
  REQUIRE_THROWS_WITH(write_file_atomically(folder.string(), "y"), Contains("is a directory"));
  REQUIRE_THROWS_WITH(write_file_atomically("/dev/null", "y"), Contains("not a regular file"));
  REQUIRE_THROWS_AS(write_file_atomically("/proc/file", "y"), FileError);
  REQUIRE_THROWS_WITH(read_file(folder.string()), Contains("Is a directory"));
  REQUIRE_THROWS_AS(read_file(folder / "none"), FileError);
}

TEST_CASE("an atomic write goes through a symbolic link", "[io][property]") {
  const TemporaryDirectory folder;
  put(folder / "real/file", "old");
  std::filesystem::create_symlink("real/file", folder / "link");
  write_file_atomically(folder / "link", "new");
  REQUIRE(std::filesystem::is_symlink(folder / "link"));
  REQUIRE(read_file(folder / "real/file") == "new");
}
