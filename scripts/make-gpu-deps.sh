#!/usr/bin/env bash
# Makes an archive of what Halcyon needs beside LibTorch, for a machine with PyTorch and a compiler
# but no packages: headers and static libraries, all from Debian's packages and sources.
#
# Usage: make-gpu-deps.sh OUT.tar.xz [OPENCV]
# OPENCV is a folder, or an earlier archive of this kind, with a static OpenCV to take over; without
# it OpenCV is built from Debian's sources (needs deb-src lines in apt's sources, and time).
set -euo pipefail

if (($# < 1 || $# > 2)); then
  echo "usage: $0 OUT.tar.xz [OPENCV]" >&2
  exit 2
fi
out=$(realpath "$1")
opencv=${2:+$(realpath "$2")}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/halcyon-deps
triplet=$(gcc -dumpmachine)
mkdir -p "$prefix"/{include,lib/cmake,share/cmake}

# Files of a package that is installed or can be fetched, under $work/NAME.
unpack() {
  local package
  mkdir -p "$work/debs" "$work/$1"
  (cd "$work/debs" && apt-get download -o APT::Sandbox::User=root --quiet "$1" >/dev/null)
  for package in "$work/debs/$1"_*.deb; do dpkg-deb --extract "$package" "$work/$1"; done
}

build_opencv() {
  (cd "$work" && apt-get source --quiet opencv)
  cmake -S "$work"/opencv-*/ -B "$work/opencv-build" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_INSTALL_PREFIX="$prefix" -DBUILD_SHARED_LIBS=OFF -DBUILD_LIST=core,imgproc,imgcodecs \
    -DBUILD_TESTS=OFF -DBUILD_PERF_TESTS=OFF -DBUILD_opencv_apps=OFF -DOPENCV_GENERATE_PKGCONFIG=OFF \
    -DWITH_ITT=OFF -DWITH_IPP=OFF -DWITH_OPENCL=OFF -DWITH_LAPACK=OFF -DWITH_EIGEN=OFF \
    -DWITH_TBB=OFF -DWITH_TIFF=OFF -DWITH_WEBP=OFF -DWITH_OPENJPEG=OFF -DWITH_JASPER=OFF \
    -DWITH_OPENEXR=OFF -DWITH_GDAL=OFF -DWITH_GDCM=OFF -DWITH_PNG=ON -DWITH_JPEG=ON
  cmake --build "$work/opencv-build" --parallel "$(nproc)"
  cmake --install "$work/opencv-build"
  cp "/usr/lib/$triplet"/lib{png,jpeg}.a "$prefix/lib/" # what it links
}

take_opencv() {
  if [[ -d $opencv ]]; then
    cp -r "$opencv/." "$prefix/"
  else
    tar --extract --xz --file "$opencv" --directory "$work"
  fi
}

# Headers only: no library, and a CMake file that says so.
add_fmt() {
  unpack libfmt-dev
  cp -r "$work/libfmt-dev/usr/include/fmt" "$prefix/include/"
  mkdir -p "$prefix/lib/cmake/fmt"
  cat >"$prefix/lib/cmake/fmt/fmt-config.cmake" <<'EOF'
if(NOT TARGET fmt::fmt)
  add_library(fmt::fmt INTERFACE IMPORTED)
  set_target_properties(fmt::fmt PROPERTIES INTERFACE_COMPILE_DEFINITIONS FMT_HEADER_ONLY
    INTERFACE_INCLUDE_DIRECTORIES "${CMAKE_CURRENT_LIST_DIR}/../../../include")
endif()
EOF
}

add_boost() {
  unpack libboost1.74-dev
  unpack libboost-program-options1.74-dev
  # The headers that program_options and its users read, and no others.
  printf '#include <boost/program_options.hpp>\n' >"$work/uses.cpp"
  g++ -M -I"$work/libboost1.74-dev/usr/include" "$work/uses.cpp" | sed 's/\\$//' | tr -s ' ' '\n' |
    sed -n "s|^$work/libboost1.74-dev/usr/include/||p" |
    (cd "$work/libboost1.74-dev/usr/include" && xargs cp --parents --target-directory "$prefix/include")
  local from=$work/libboost-program-options1.74-dev/usr/lib/$triplet to=$prefix/lib/$triplet
  mkdir -p "$to/cmake"
  cp "$from/libboost_program_options.a" "$to/"
  cp -r "$from/cmake"/boost_program_options-* "$to/cmake/"
  rm -f "$to/cmake"/boost_program_options-*/*-shared.cmake
  cp -r "$work/libboost1.74-dev/usr/lib/$triplet/cmake"/* "$to/cmake/"
}

add_headers_and_zlib() {
  unpack nlohmann-json3-dev
  unpack catch2
  unpack zlib1g-dev
  cp -r "$work/nlohmann-json3-dev/usr/include/nlohmann" "$work/catch2/usr/include/catch2" "$prefix/include/"
  cp -r "$work/nlohmann-json3-dev/usr/share/cmake/nlohmann_json" "$prefix/share/cmake/"
  cp "$work/zlib1g-dev/usr/include"/z*.h "$prefix/include/"
  find "$work/zlib1g-dev/usr/include/" -name zconf.h -exec cp {} "$prefix/include/" \;
  cp "$work/zlib1g-dev/usr/lib/$triplet/libz.a" "$prefix/lib/"
  find "$work/catch2/usr/lib" -name 'libCatch2*.a' -exec cp {} "$prefix/lib/" \;
  cp -r "$work"/catch2/usr/lib/*/cmake/Catch2 "$prefix/lib/cmake/" 2>/dev/null ||
    cp -r "$work/catch2/usr/lib/cmake/Catch2" "$prefix/lib/cmake/"
}

if [[ -n $opencv ]]; then take_opencv; else build_opencv; fi
# An earlier archive has all but what came later.
[[ -d $prefix/include/boost ]] || add_boost
[[ -d $prefix/include/catch2 ]] || add_headers_and_zlib
add_fmt
tar --create --xz --file "$out" --directory "$work" halcyon-deps
echo "$out: $(du -h "$out" | cut -f1)"
