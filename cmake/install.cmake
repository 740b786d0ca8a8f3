# What `cmake --install` puts in place: the program with its manual page and completions; the
# library, one file of all layers but cli, with its headers and halcyonConfig.cmake.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

if(HALCYON_SANITIZE)
  return()  # a library that only a sanitized program can link
endif()

# -- the library -----------------------------------------------------------------------------------
get_property(layers GLOBAL PROPERTY halcyon_layers)
list(REMOVE_ITEM layers cli)
list(TRANSFORM layers REPLACE "(.+)" "$<TARGET_OBJECTS:halcyon_\\1>" OUTPUT_VARIABLE objects)
if(TARGET halcyon_cuda)
  list(APPEND objects $<TARGET_OBJECTS:halcyon_cuda>)
endif()

add_library(halcyon_whole ${objects})  # static, or shared with BUILD_SHARED_LIBS
add_library(halcyon::halcyon ALIAS halcyon_whole)
set_target_properties(halcyon_whole PROPERTIES
  OUTPUT_NAME halcyon
  EXPORT_NAME halcyon
  LINKER_LANGUAGE CXX
  VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
  INSTALL_RPATH_USE_LINK_PATH ON)
set_target_properties(halcyon PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
target_compile_features(halcyon_whole PUBLIC cxx_std_20)
# Headers include one another as "core/denoiser.h", and programs may write
# <halcyon/core/denoiser.h>.  LibTorch comes from halcyonConfig.cmake: the one of the machine there.
target_include_directories(halcyon_whole INTERFACE
  "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR};${PROJECT_SOURCE_DIR}/src>"
  "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR};${CMAKE_INSTALL_INCLUDEDIR}/halcyon>")
target_link_libraries(halcyon_whole
  PUBLIC "$<BUILD_INTERFACE:${TORCH_LIBRARIES}>" fmt::fmt
  PRIVATE opencv_core opencv_imgproc opencv_imgcodecs ZLIB::ZLIB Boost::program_options
    OpenMP::OpenMP_CXX)
foreach(optional LibArchive::LibArchive DNNL::dnnl CUDA::cudart)
  if(TARGET ${optional})
    target_link_libraries(halcyon_whole PRIVATE ${optional})
  endif()
endforeach()
set(halcyon_opencv "core imgproc imgcodecs")
if(TARGET opencv_videoio)
  target_link_libraries(halcyon_whole PRIVATE opencv_videoio)
  string(APPEND halcyon_opencv " videoio")
endif()

install(TARGETS halcyon_whole EXPORT halcyonTargets
  LIBRARY COMPONENT library NAMELINK_COMPONENT development
  ARCHIVE COMPONENT development)
set(cmake_folder ${CMAKE_INSTALL_LIBDIR}/cmake/halcyon)
install(EXPORT halcyonTargets NAMESPACE halcyon:: DESTINATION ${cmake_folder}
  COMPONENT development)
configure_package_config_file(cmake/halcyonConfig.cmake.in
  ${PROJECT_BINARY_DIR}/halcyonConfig.cmake INSTALL_DESTINATION ${cmake_folder}
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/halcyonConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/halcyonConfig.cmake
  ${PROJECT_BINARY_DIR}/halcyonConfigVersion.cmake
  DESTINATION ${cmake_folder} COMPONENT development)

foreach(layer IN LISTS layers)
  set(folder ${PROJECT_SOURCE_DIR}/src/${layer})
  if(NOT EXISTS ${folder})
    set(folder ${PROJECT_SOURCE_DIR}/${layer})
  endif()
  # Not what sources alone include: loops, and what is written in OpenCV's terms.
  install(DIRECTORY ${folder} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/halcyon
    COMPONENT development FILES_MATCHING PATTERN "*.h"
    PATTERN "cuda" EXCLUDE PATTERN "*_loops.h" EXCLUDE PATTERN "simd.h" EXCLUDE
    PATTERN "loop_types.h" EXCLUDE PATTERN "element.h" EXCLUDE
    PATTERN "image_planes.h" EXCLUDE PATTERN "image_fitting.h" EXCLUDE
    PATTERN "image_decoding.h" EXCLUDE PATTERN "torch.h" EXCLUDE)
endforeach()

# -- the program -----------------------------------------------------------------------------------
install(TARGETS halcyon RUNTIME COMPONENT program)
install(DIRECTORY configs DESTINATION ${CMAKE_INSTALL_DATADIR}/halcyon COMPONENT program)

# The program writes its own manual page and completions, from the tables that it reads keys by.
function(halcyon_help form file destination)
  add_custom_command(OUTPUT ${file} COMMAND halcyon --help=${form} > ${file} DEPENDS halcyon
    VERBATIM)
  set_property(GLOBAL APPEND PROPERTY halcyon_help_files ${PROJECT_BINARY_DIR}/${file})
  install(FILES ${PROJECT_BINARY_DIR}/${file} DESTINATION ${destination} COMPONENT program
    ${ARGN})
endfunction()
if(NOT CMAKE_CROSSCOMPILING)
  halcyon_help(man halcyon.1 ${CMAKE_INSTALL_MANDIR}/man1)
  halcyon_help(bash halcyon.bash ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
    RENAME halcyon)
  halcyon_help(zsh _halcyon ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
  get_property(files GLOBAL PROPERTY halcyon_help_files)
  add_custom_target(halcyon_help ALL DEPENDS ${files})
endif()

# -- the reference of the library: cmake --build ... --target docs ---------------------------------
find_package(Doxygen QUIET)
if(DOXYGEN_FOUND)
  configure_file(docs/Doxyfile.in ${PROJECT_BINARY_DIR}/Doxyfile @ONLY)
  add_custom_target(docs COMMAND Doxygen::doxygen ${PROJECT_BINARY_DIR}/Doxyfile
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} VERBATIM)
endif()

include(cmake/package.cmake)
