#!/usr/bin/env bash
# Completes command lines with the installed completion of bash: every key that a command's help
# names is offered, and of choices their values.  Usage: completion.sh PREFIX
set -euo pipefail
source "$1/share/bash-completion/completions/halcyon"

complete_line() {  # WORD...: COMPREPLY is what completes the last one
  COMP_WORDS=(halcyon "$@")
  COMP_CWORD=$#
  _halcyon
}

expect() {  # WANTED WORD...
  local wanted=$1
  shift
  complete_line "$@"
  [[ ${COMPREPLY[*]:-} == "$wanted" ]] || {
    echo "halcyon $*: want '$wanted', got '${COMPREPLY[*]:-}'"
    exit 1
  }
}

expect "train" tra
expect "unipc_1 unipc_2 unipc_3" sample --sampler.name unipc
expect "karras" sample --sampler.grid = kar
expect "fp32" train --training.precision fp
expect "--sampler.ode.tolerance" sample --sampler.ode
expect "samplers" list sam
expect "" sample --out no_such_word  # left to file names

mapfile -t commands < <(halcyon --help | sed -n 's/^  \([a-z]\+\) .*/\1/p')
((${#commands[@]} > 10))
for command in "${commands[@]}"; do
  complete_line "$command" --
  mapfile -t wanted < <(halcyon "$command" --help | sed -n 's/^  \(--[^ ]\+\) .*/\1/p')
  if [[ ${COMPREPLY[*]} != "${wanted[*]}" ]]; then
    printf '%s: completion and help differ:\n' "$command"
    diff <(printf '%s\n' "${COMPREPLY[@]}") <(printf '%s\n' "${wanted[@]}")
  fi
done

# zsh reads its own, if there is one.
if command -v zsh >/dev/null; then zsh -n "$1/share/zsh/vendor-completions/_halcyon"; fi
