#include "io/file_lock.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <vector>

#include "core/error.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("of two locks on a file the second is refused, and may have it afterwards", "[io]") {
  const TemporaryDirectory dir;
  const auto path = dir / "lock";
  {
    const FileLock first(path);
    REQUIRE_THROWS_AS(FileLock(path), FileError);
    REQUIRE_THROWS_WITH(FileLock(path), Contains(path) && Contains("another process"));
    REQUIRE(std::filesystem::exists(path));
  }
  REQUIRE_FALSE(std::filesystem::exists(path));
  const FileLock second(path);
  REQUIRE(std::filesystem::exists(path));
}

TEST_CASE("a killed process holds nobody back", "[io]") {
  const TemporaryDirectory dir;
  const auto path = dir / "lock";
  const auto child = ::fork();
  if (child == 0) {
    const FileLock lock(path);
    ::raise(SIGKILL);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
  REQUIRE(std::filesystem::exists(path));
  const FileLock ours(path);
  REQUIRE_THROWS_AS(FileLock(path), FileError);
}

TEST_CASE("of many processes that ask again and again never two hold a lock", "[io]") {
  // What one lets go of and removes, another may have opened already.
  const TemporaryDirectory dir;
  const auto path = dir / "lock";
  const auto alone = dir / "alone";
  const auto contend = [&] {
    for (int held = 0; held < 400;) try {
        const FileLock lock(path);
        if (::mkdir(alone.c_str(), 0777) != 0) return 1;
        ::rmdir(alone.c_str());
        ++held;
      } catch (const FileError&) {
      }
    return 0;
  };
  std::vector<pid_t> children(4);
  for (auto& child : children) {
    if (child = ::fork(); child == 0) ::_exit(contend());
  }
  for (const auto child : children) {
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
}

TEST_CASE("a lock that cannot be made names the file and the reason", "[io][error]") {
  const TemporaryDirectory dir;
  REQUIRE_THROWS_WITH(FileLock(dir / "absent/lock"),
                      Contains("absent/lock") && Contains("No such file"));
}
