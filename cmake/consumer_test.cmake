# Installs the build into a fresh prefix and builds and runs a project that finds it there.
#   cmake -DBUILD=… -DSOURCE=… -DWORK=… -DGENERATOR=… -DCOMPILER=… -DBUILD_TYPE=… -DTLS=ON -P consumer_test.cmake
cmake_minimum_required(VERSION 3.25)

file(REMOVE_RECURSE "${WORK}")

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}: ${status}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

run("${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${WORK}/prefix" --config "${BUILD_TYPE}")
run("${CMAKE_COMMAND}" -S "${SOURCE}" -B "${WORK}/build" -G "${GENERATOR}"
  "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DCMAKE_BUILD_TYPE=${BUILD_TYPE}"
  "-DCMAKE_PREFIX_PATH=${WORK}/prefix")
run("${CMAKE_COMMAND}" --build "${WORK}/build" --config "${BUILD_TYPE}")
run("${WORK}/build/consumer")
if(NOT output STREQUAL "sum 6\n")
  message(FATAL_ERROR "the consumer printed instead of `sum 6`:\n${output}")
endif()
if(TLS)
  run("${WORK}/build/consumer_tls")
  if(NOT output MATCHES "^tls trust \"none.pem\".*: No such file or directory\n$")
    message(FATAL_ERROR "the consumer of the component tls printed:\n${output}")
  endif()
elseif(EXISTS "${WORK}/build/consumer_tls" OR EXISTS "${WORK}/prefix/include/stackless/tls")
  message(FATAL_ERROR "a stackless without TLS was installed with it")
endif()
