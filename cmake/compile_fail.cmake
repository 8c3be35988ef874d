# Checks that a source does not compile, and that the compiler says why in the words we chose.
#   cmake -DSOURCE=… -DCOMPILER=… -DCOMPILER_ID=GNU -DCOMPILER_VERSION=12.2.0 -DFLAGS=a;b -DHEADER=… -P compile_fail.cmake
#   cmake -DPRECOMPILE=ON -DCOMPILER=… -DFLAGS=a;b -DHEADER=… -P compile_fail.cmake
#
# HEADER is included first. The second form precompiles it, which halves the time of all that follow.
#
# Comments at the head of SOURCE say what is expected:
#   // expect: FRAGMENT      must be in the compiler's output; may be given several times
#   // only: gcc12 clang     applies to these compilers only: a name, or a name with a major version
# A source that uses the macro COMPILE_FAIL_CONTROL is also compiled with it defined, and must then compile:
# this shows that it fails for the reason that it names.
cmake_minimum_required(VERSION 3.25)

set(command "${CMAKE_COMMAND}" -E env LC_ALL=C "${COMPILER}" ${FLAGS} -fno-diagnostics-color)
if(PRECOMPILE)
  execute_process(COMMAND ${command} -x c++-header "${HEADER}" -o "${HEADER}.gch" COMMAND_ERROR_IS_FATAL ANY)
  return()
endif()
list(APPEND command -fsyntax-only -include "${HEADER}")

if(COMPILER_ID STREQUAL "GNU")
  set(compiler gcc)
else()
  set(compiler clang)
endif()
string(REGEX MATCH "^[0-9]+" major "${COMPILER_VERSION}")

file(STRINGS "${SOURCE}" only REGEX "^// only: ")
if(only)
  string(REGEX REPLACE "^// only: *" "" only "${only}")
  string(REGEX MATCHALL "[a-z0-9]+" only "${only}")
  if(NOT compiler IN_LIST only AND NOT "${compiler}${major}" IN_LIST only)
    message("compile_fail: skipped, only for ${only}") # the test's SKIP_REGULAR_EXPRESSION
    return()
  endif()
endif()

file(READ "${SOURCE}" text)
if(NOT text MATCHES "^// expect: ")
  message(FATAL_ERROR "${SOURCE}: the first line must be `// expect: FRAGMENT`")
endif()

execute_process(COMMAND ${command} "${SOURCE}"
  RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(status EQUAL 0)
  message(FATAL_ERROR "${SOURCE} compiles, but should not")
endif()

set(rest "${text}")
string(FIND "${rest}" "// expect: " at)
while(NOT at EQUAL -1)
  math(EXPR at "${at} + 11")
  string(SUBSTRING "${rest}" ${at} -1 rest)
  string(FIND "${rest}" "\n" end)
  string(SUBSTRING "${rest}" 0 ${end} fragment)
  string(STRIP "${fragment}" fragment)
  string(FIND "${output}" "${fragment}" found)
  if(found EQUAL -1)
    message(FATAL_ERROR "${SOURCE} does not compile, but without the words\n  ${fragment}\nThe compiler says:\n${output}")
  endif()
  string(FIND "${rest}" "// expect: " at)
endwhile()

if(text MATCHES "COMPILE_FAIL_CONTROL")
  execute_process(COMMAND ${command} -DCOMPILE_FAIL_CONTROL "${SOURCE}"
    RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${SOURCE} fails with COMPILE_FAIL_CONTROL too, so it shows nothing:\n${output}")
  endif()
endif()
