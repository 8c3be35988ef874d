# Checks that an object compiled with the other setting of STACKLESS_NO_TRACKING does not link with this library.
#   cmake -DSOURCE=… -DCOMPILER=… -DFLAGS=a;b -DLIBRARIES=a;b -DNO_TRACKING=OFF -DWORK=… -P no_tracking_test.cmake
cmake_minimum_required(VERSION 3.25)

if(NO_TRACKING)
  set(same -DSTACKLESS_NO_TRACKING=1)
  set(other -USTACKLESS_NO_TRACKING)
else()
  set(same -USTACKLESS_NO_TRACKING)
  set(other -DSTACKLESS_NO_TRACKING=1)
endif()

file(MAKE_DIRECTORY "${WORK}")

function(build definition)
  execute_process(
    COMMAND "${CMAKE_COMMAND}" -E env LC_ALL=C
      "${COMPILER}" ${FLAGS} ${definition} "${SOURCE}" ${LIBRARIES} -pthread -o "${WORK}/mixed"
    RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  set(status "${status}" PARENT_SCOPE)
  set(output "${output}" PARENT_SCOPE)
endfunction()

build(${same})
if(NOT status EQUAL 0)
  message(FATAL_ERROR "an object compiled like the library should link:\n${output}")
endif()
build(${other})
if(status EQUAL 0)
  message(FATAL_ERROR "an object compiled with ${other} links with a library that was not")
endif()
if(NOT output MATCHES "undefined (reference|symbol)[^\n]*stackless::")
  message(FATAL_ERROR "an object compiled with ${other} fails otherwise than by an undefined reference:\n${output}")
endif()
