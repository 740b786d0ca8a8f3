#!/usr/bin/env bash
# Runs an example of the shell without arguments in an empty folder; it must leave a picture.
# Usage: example.sh EXAMPLE FOLDER
set -euo pipefail
rm -rf "$2"
mkdir -p "$2"
cd "$2"
"$1"
[[ -n $(find . -name '*.png' -newer "$1" -size +0 -print -quit) ]]
