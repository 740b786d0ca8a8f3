#!/usr/bin/env bash
# The installed manual page is well-formed and names every key of every command.
# Usage: manual.sh PREFIX
set -euo pipefail
page=$1/share/man/man1/halcyon.1
command -v groff >/dev/null || exit 77

warnings=$(groff -man -ww -z "$page" 2>&1)
[[ -z $warnings ]] || { echo "$warnings"; exit 1; }
if command -v mandoc >/dev/null; then mandoc -T lint -W error "$page"; fi

mapfile -t commands < <(halcyon --help | sed -n 's/^  \([a-z]\+\) .*/\1/p')
text=$(groff -man -Tascii -P-bcou -rLL=400n "$page")
for command in "${commands[@]}"; do
  part=$(sed -n "/^KEYS OF HALCYON $command\$/,/^[A-Z]/{//!p}" <<<"$text")
  while read -r key; do
    grep --quiet --fixed-strings --word-regexp -e "$key" <<<"$part" || {
      echo "$page: halcyon $command: no $key"
      exit 1
    }
  done < <(halcyon "$command" --help | sed -n 's/^  \(--[^ ]\+\) .*/\1/p')
done
