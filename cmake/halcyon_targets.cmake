# Flags, include roots and LibTorch on one target; every library and test links it.
add_library(halcyon_build INTERFACE)
target_compile_features(halcyon_build INTERFACE cxx_std_20)
target_compile_options(halcyon_build INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 warns of overflows in std::string's operator+ that are not there (its bug 105651).
  target_compile_options(halcyon_build INTERFACE
    -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow)
endif()
if(HALCYON_WERROR)
  target_compile_options(halcyon_build INTERFACE -Werror)
endif()
if(HALCYON_SANITIZE)
  target_compile_options(halcyon_build INTERFACE -fsanitize=address,undefined -fno-omit-frame-pointer)
  target_link_options(halcyon_build INTERFACE -fsanitize=address,undefined)
endif()
if(BUILD_SHARED_LIBS)
  target_compile_options(halcyon_build INTERFACE -fPIC)  # of all alike: they share a header parsed once
endif()
target_include_directories(halcyon_build INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/src)
target_link_libraries(halcyon_build INTERFACE ${TORCH_LIBRARIES} fmt::fmt)
target_include_directories(halcyon_build SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})

# LibTorch's headers take longer to parse than most of our files to compile: once is enough.
file(CONFIGURE OUTPUT torch_pch.cpp CONTENT "")
add_library(halcyon_pch OBJECT ${PROJECT_BINARY_DIR}/torch_pch.cpp)
target_link_libraries(halcyon_pch PRIVATE halcyon_build)
target_precompile_headers(halcyon_pch PRIVATE "${PROJECT_SOURCE_DIR}/src/core/torch.h")

# halcyon_library(name DEPENDS layer... SOURCES file...): one static library per layer.
function(halcyon_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPENDS")
  add_library(halcyon_${name} STATIC ${arg_SOURCES})
  list(TRANSFORM arg_DEPENDS PREPEND halcyon_)
  target_link_libraries(halcyon_${name} PUBLIC halcyon_build ${arg_DEPENDS})
  target_precompile_headers(halcyon_${name} REUSE_FROM halcyon_pch)
  set_property(GLOBAL APPEND PROPERTY halcyon_layers ${name})
endfunction()
