#!/usr/bin/env bash
# Builds and tests this tree against the LibTorch of another Debian suite, such as forky or sid.
#
# Usage: test-libtorch.sh SUITE
# The suite lives in a chroot under ~/.cache/halcyon/SUITE, or $HALCYON_CHROOT: the first run fills
# it (4 GB), the next ones only build what has changed.  Runs as root or through sudo.
set -euo pipefail

if (($# != 1)); then
  echo "usage: $0 SUITE" >&2
  exit 2
fi
suite=$1
chroot=${HALCYON_CHROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/halcyon/$suite}
source_dir=$(cd "$(dirname "$0")/.." && pwd)

if ((EUID != 0)); then
  exec sudo HALCYON_CHROOT="$chroot" "$0" "$suite"
fi

create_chroot() {
  command -v debootstrap >/dev/null || apt-get install --quiet --yes debootstrap
  # debootstrap may be older than the suite: every Debian suite is laid out as sid is.
  local mirror script=/usr/share/debootstrap/scripts/sid
  # shellcheck disable=SC2016  # apt expands it
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Label: Debian' 'Component: main' | sed -n 1p)
  mkdir -p "$chroot"
  debootstrap --variant=minbase "$suite" "$chroot" "$mirror" "$script"
  # Mirrors that are refreshed seldom serve package lists past their date.
  echo 'Acquire::Check-Valid-Until "false";' >"$chroot/etc/apt/apt.conf.d/90valid-until"
}

unmount_all() {
  local folder
  for folder in proc src; do
    if mountpoint --quiet "$chroot/$folder"; then umount "$chroot/$folder"; fi
  done
}

in_chroot() {
  HOME=/root LC_ALL=C.UTF-8 chroot "$chroot" "$@"
}

# debootstrap keeps its own folder in the chroot until it has finished.
if [[ ! -x $chroot/usr/bin/apt-get || -d $chroot/debootstrap ]]; then
  echo "Creating a $suite system in $chroot"
  create_chroot
fi

trap unmount_all EXIT
unmount_all
mkdir -p "$chroot/src"
mount --bind /proc "$chroot/proc"
mount --options bind,ro "$source_dir" "$chroot/src"

in_chroot /src/scripts/install-deps.sh
in_chroot dpkg-query --show g++ libtorch-dev catch2
in_chroot cmake -S /src -B /build --preset ci
in_chroot cmake --build /build --parallel "$(nproc)"
in_chroot ctest --test-dir /build --output-on-failure --parallel "$(nproc)"
