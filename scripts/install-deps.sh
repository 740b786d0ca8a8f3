#!/usr/bin/env bash
# Installs the Debian packages that Halcyon needs.  Usage: install-deps.sh [extra-package...]
set -euo pipefail

# ocl-icd-opencl-dev: libdnnl-dev's CMake package asks for OpenCL, which it does not depend on.
packages=(g++ cmake ninja-build libtorch-dev libopencv-dev libboost-program-options-dev zlib1g-dev
          libarchive-dev libdnnl-dev ocl-icd-opencl-dev libfmt-dev nlohmann-json3-dev catch2
          gnuplot-nox libopenblas0-openmp dataset-fashion-mnist "$@")

as_root() {
  if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

is_installed() {
  [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

missing=()
for package in "${packages[@]}"; do
  is_installed "$package" || missing+=("$package")
done

if ((${#missing[@]} > 0)); then
  echo "Installing: ${missing[*]}"
  as_root apt-get update --quiet
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install --quiet --yes --no-install-recommends "${missing[@]}"
fi

# Debian prefers OpenBLAS with its own threads over the one on OpenMP; next to LibTorch's OpenMP
# pool those threads slow matrix products down four- to fivefold.
update-alternatives --get-selections | while read -r name _ path; do
  if [[ $path == */openblas-pthread/* ]]; then
    echo "Switching $name to OpenBLAS on OpenMP"
    as_root update-alternatives --set "$name" "${path/openblas-pthread/openblas-openmp}"
  fi
done
