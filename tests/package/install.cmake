# Installs BUILD under PREFIX, and fails if what CMake finds there knows of the build tree, or if
# what it gives a consumer is ours alone: warnings, the precompiled header.
file(REMOVE_RECURSE ${PREFIX})
execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${PREFIX}
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
file(GLOB_RECURSE exported ${PREFIX}/*.cmake)
if(NOT exported)
  message(FATAL_ERROR "no CMake package under ${PREFIX}")
endif()
foreach(file IN LISTS exported)
  file(READ ${file} text)
  foreach(unwanted ${BUILD} ${SOURCE} ${PREFIX} -Wall -Werror halcyon_build halcyon_pch)
    string(FIND "${text}" "${unwanted}" found)
    if(NOT found EQUAL -1)
      message(FATAL_ERROR "${file} names ${unwanted}")
    endif()
  endforeach()
endforeach()
