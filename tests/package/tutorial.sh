#!/usr/bin/env bash
# Runs the commands of a document, its ```sh blocks, in order in an empty folder, and sees that they
# make the figures that it shows: each is an image followed by `from FILE` in its title.
# Usage: tutorial.sh DOCUMENT FOLDER [--update]     (--update: puts the figures into the document)
set -euo pipefail
document=$(realpath "$1")
rm -rf "$2"
mkdir -p "$2"
cd "$2"

awk '/^```sh$/ { inside = 1; next } /^```/ { inside = 0 } inside' "$document" >commands.sh
grep --quiet halcyon commands.sh || { echo "$document: no commands"; exit 1; }
bash -euxo pipefail commands.sh

figures=0
while read -r shown made; do
  [[ -s $made ]] || { echo "$document: nothing made $made"; exit 1; }
  figure=$(dirname "$document")/$shown
  if [[ ${3:-} == --update ]]; then
    mkdir -p "$(dirname "$figure")"
    cp "$made" "$figure"
  fi
  [[ -s $figure ]] || { echo "$document: no picture $figure"; exit 1; }
  figures=$((figures + 1))
done < <(sed -n 's/^!\[.*\](\([^ ]*\) "from \(.*\)")$/\1 \2/p' "$document")
((figures == $(grep --count '^!\[' "$document")))
echo "$figures figures"
