# Checks that an object that was compiled otherwise than the library does not link with it.
#   cmake -DSOURCE=… -DCOMPILER=… -DFLAGS=a;b -DSAME=-D… -DOTHER=-D… -DLIBRARIES=a;b -DWORK=… -P abi_test.cmake
cmake_minimum_required(VERSION 3.25)

file(MAKE_DIRECTORY "${WORK}")

function(build flag)
  execute_process(
    COMMAND "${CMAKE_COMMAND}" -E env LC_ALL=C
      "${COMPILER}" ${FLAGS} ${flag} "${SOURCE}" ${LIBRARIES} -pthread -o "${WORK}/mixed"
    RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  set(status "${status}" PARENT_SCOPE)
  set(output "${output}" PARENT_SCOPE)
endfunction()

build("${SAME}")
if(NOT status EQUAL 0)
  message(FATAL_ERROR "an object compiled like the library, with ${SAME}, should link:\n${output}")
endif()
build("${OTHER}")
if(status EQUAL 0)
  message(FATAL_ERROR "an object compiled with ${OTHER} links with a library that was not")
endif()
if(NOT output MATCHES "undefined (reference|symbol)[^\n]*stackless::")
  message(FATAL_ERROR "an object compiled with ${OTHER} fails otherwise than by an undefined reference:\n${output}")
endif()
