# `cpack -G DEB` in the build folder: halcyon (the program), libhalcyon-dev (headers and library)
# and, with BUILD_SHARED_LIBS, libhalcyonX.Y.
file(READ ${PROJECT_SOURCE_DIR}/vcpkg.json manifest)
string(JSON manifest_version GET "${manifest}" version)
if(NOT manifest_version STREQUAL PROJECT_VERSION)
  message(FATAL_ERROR "vcpkg.json has version ${manifest_version}; want ${PROJECT_VERSION}")
endif()

set(soversion ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
set(CPACK_PACKAGE_NAME halcyon)
set(CPACK_PACKAGE_VENDOR Halcyon)
set(HALCYON_MAINTAINER "The Halcyon authors <halcyon@example.org>" CACHE STRING
  "Maintainer that the Debian packages name")
set(CPACK_PACKAGE_CONTACT "${HALCYON_MAINTAINER}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_GENERATOR DEB)
set(CPACK_STRIP_FILES ON)

set(CPACK_COMPONENTS_ALL program development)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_COMPONENT_PROGRAM_DESCRIPTION
  "Trains score-matching diffusion models on images, samples from them, and
measures the Fisher information of the data score at every noise level.")
set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME halcyon)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_RECOMMENDS "gnuplot-nox, libopenblas0-openmp")
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SUGGESTS "dataset-fashion-mnist")

set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION
  "Headers, library and CMake package of Halcyon: denoisers, samplers, training
and the Fisher information of the data score, for C++20 programs.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libhalcyon-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SHLIBDEPS OFF)
set(development_depends libtorch-dev libfmt-dev)
if(BUILD_SHARED_LIBS)
  list(APPEND CPACK_COMPONENTS_ALL library)
  list(APPEND development_depends "libhalcyon${soversion} (= ${PROJECT_VERSION})")
  set(CPACK_COMPONENT_LIBRARY_DESCRIPTION
    "The shared library of Halcyon, score-matching diffusion models in C++20.")
  set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libhalcyon${soversion})
  set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
  set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/cmake/debian/triggers)
else()
  list(APPEND development_depends libopencv-dev zlib1g-dev libarchive-dev
    libboost-program-options-dev)
  if(dnnl_FOUND)  # whose CMake package asks for OpenCL, and names no dependency
    list(APPEND development_depends libdnnl-dev ocl-icd-opencl-dev)
  endif()
endif()
list(JOIN development_depends ", " CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS)

foreach(component IN LISTS CPACK_COMPONENTS_ALL)
  string(TOUPPER ${component} upper)
  install(FILES LICENSE RENAME copyright COMPONENT ${component}
    DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${CPACK_DEBIAN_${upper}_PACKAGE_NAME})
endforeach()
include(CPack)
