# LibTorch, and CUDA kernels where LibTorch has CUDA and there is a compiler for them.
set(HALCYON_CUDA AUTO CACHE STRING
  "CUDA kernels: AUTO (where LibTorch has CUDA and nvcc is found), ON or OFF")
set_property(CACHE HALCYON_CUDA PROPERTY STRINGS AUTO ON OFF)

# LibTorch's CMake files may ask for a library that CUDA 12.9 and later have no more.
if(NOT TARGET CUDA::nvToolsExt)
  add_library(CUDA::nvToolsExt INTERFACE IMPORTED)
endif()
find_package(Torch REQUIRED)

set(HALCYON_HAS_CUDA OFF)
if(NOT HALCYON_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  if(TARGET torch_cuda)
    check_language(CUDA)
  endif()
  if(TARGET torch_cuda AND CMAKE_CUDA_COMPILER)
    set(HALCYON_HAS_CUDA ON)
  elseif(NOT HALCYON_CUDA STREQUAL "AUTO")
    message(FATAL_ERROR "HALCYON_CUDA=${HALCYON_CUDA}: want a LibTorch with CUDA, and nvcc")
  endif()
endif()
message(STATUS "CUDA kernels: ${HALCYON_HAS_CUDA}")
if(HALCYON_HAS_CUDA)
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES native)
  endif()
  set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)  # LibTorch's
  enable_language(CUDA)
  find_package(CUDAToolkit REQUIRED)
endif()

# halcyon_add_cuda_kernels(target): gives it the kernels, or what stands for them.
function(halcyon_add_cuda_kernels target)
  set(folder ${PROJECT_SOURCE_DIR}/src/kernels/cuda)
  if(NOT HALCYON_HAS_CUDA)
    target_sources(${target} PRIVATE ${folder}/absent.cpp)
    return()
  endif()
  # Apart from halcyon_build: nvcc knows neither LibTorch's headers nor g++'s warnings.
  add_library(halcyon_cuda STATIC ${folder}/adamw.cu ${folder}/dropout.cu ${folder}/group_norm.cu
    ${folder}/softmax.cu)
  target_include_directories(halcyon_cuda PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_compile_options(halcyon_cuda PRIVATE --expt-relaxed-constexpr)
  # C++17 there: a CMake that is older than nvcc may not know that it has C++20.
  set_target_properties(halcyon_cuda PROPERTIES CUDA_STANDARD 17 CUDA_STANDARD_REQUIRED ON
    POSITION_INDEPENDENT_CODE ON)
  target_sources(${target} PRIVATE ${folder}/device_memory.cpp ${folder}/recorded_work.cpp
    ${folder}/stream.cpp)
  target_link_libraries(${target} PRIVATE halcyon_cuda CUDA::cudart)
endfunction()
