#!/usr/bin/env bash
# Checks the format of all files, and the sources given (default: all) with clang-tidy.
# Usage: lint.sh [file.cpp...]      (clang-tidy takes about 20 s a file)
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install-deps.sh clang-format clang-tidy

mapfile -t files < <(git ls-files --cached --others --exclude-standard '*.h' '*.cpp')
clang-format --dry-run --Werror "${files[@]}"
echo "Format: ${#files[@]} files are as clang-format would have them"

sources=("$@")
if ((${#sources[@]} == 0)); then
  mapfile -t sources < <(printf '%s\n' "${files[@]}" | grep '\.cpp$')
fi
# Clang cannot read GCC's precompiled header: a configuration without one, which is never built.
cmake --preset dev -B build/lint -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON >/dev/null
printf '%s\0' "${sources[@]}" | xargs --null --max-args=1 --max-procs="$(nproc)" \
  clang-tidy -p build/lint --quiet --extra-arg="-include$PWD/scripts/clang_vector.h"
echo "clang-tidy: ${#sources[@]} sources are clean"
