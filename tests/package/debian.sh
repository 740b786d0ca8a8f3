#!/usr/bin/env bash
# Makes the Debian packages, and looks at what is in them and what they want.
# Usage: debian.sh BUILD_FOLDER
set -euo pipefail
command -v dpkg-shlibdeps >/dev/null || exit 77
out=$1/packages
rm -rf "$out"
cpack --config "$1/CPackConfig.cmake" -G DEB -B "$out" >/dev/null

program=$(ls "$out"/halcyon_*.deb)
development=$(ls "$out"/libhalcyon-dev_*.deb)

holds() {  # PACKAGE PATH...
  local package=$1 path contents
  contents=$(dpkg-deb --contents "$package")
  shift
  for path in "$@"; do
    grep --quiet " \./usr/$path\( \|\$\)" <<<"$contents" || {
      echo "$package: no /usr/$path"
      exit 1
    }
  done
}
holds "$program" bin/halcyon share/man/man1/halcyon.1 share/bash-completion/completions/halcyon \
  share/halcyon/configs/toy_mixture.ini share/doc/halcyon/copyright
holds "$development" include/halcyon/samplers/registry.h share/doc/libhalcyon-dev/copyright \
  'lib/\(.*/\)\?cmake/halcyon/halcyonConfig.cmake' 'lib/\(.*/\)\?libhalcyon\.\(a\|so\)'
[[ $(dpkg-deb --contents "$program") != */usr/include/* ]]

[[ $(dpkg-deb --field "$program" Depends) == *libtorch*libopencv* ]] ||
  [[ $(dpkg-deb --field "$program" Depends) == *libopencv*libtorch* ]]
[[ $(dpkg-deb --field "$development" Depends) == *libtorch-dev* ]]
dpkg-deb --extract "$program" "$out/root"
[[ $("$out/root/usr/bin/halcyon" --version) == "halcyon $(dpkg-deb --field "$program" Version)" ]]
