# Flags of the project's own targets. None of them reaches a user of the library.

# A whole build is sanitized or none of it: fetched dependencies, tests and examples included.
if(STACKLESS_SANITIZE)
  set(stackless_sanitize_flags "-fsanitize=${STACKLESS_SANITIZE}")
  if(STACKLESS_SANITIZE MATCHES "undefined")
    list(APPEND stackless_sanitize_flags -fno-sanitize-recover=undefined)
    if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
      # It looks at memory through a pipe, and cries wolf in tests that have taken all descriptors.
      list(APPEND stackless_sanitize_flags -fno-sanitize=vptr)
    endif()
  endif()
  add_compile_options(${stackless_sanitize_flags} -fno-omit-frame-pointer)
  add_link_options(${stackless_sanitize_flags})
endif()

set(stackless_warnings
  -Wall
  -Wextra
  -Wpedantic
  -Wcast-align
  -Wcast-qual
  -Wconversion
  -Wextra-semi
  -Wformat=2
  -Wimplicit-fallthrough
  -Wnon-virtual-dtor
  -Woverloaded-virtual
  -Wshadow
  -Wundef
  -Wunused)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND stackless_warnings -Wduplicated-branches -Wduplicated-cond -Wlogical-op)
endif()
if(STACKLESS_WERROR)
  list(APPEND stackless_warnings -Werror)
endif()

# stackless_precompile(TARGET PRIVATE|PUBLIC HEADER…): what every file of the target includes is parsed once. PUBLIC: other
# targets reuse it.
function(stackless_precompile target scope)
  target_precompile_headers(${target} PRIVATE ${ARGN})
  if(CMAKE_CXX_COMPILER_LAUNCHER MATCHES "ccache")
    # what ccache asks for with precompiled headers, beside its sloppiness setting (scripts/lib/common.sh)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      target_compile_options(${target} ${scope} -fpch-preprocess)
    else()
      target_compile_options(${target} ${scope} "SHELL:-Xclang -fno-pch-timestamp")
    endif()
  endif()
endfunction()

# stackless_own_target(TARGET): a target of this project, not of a dependency
function(stackless_own_target target)
  target_compile_options(${target} PRIVATE ${stackless_warnings})
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
endfunction()
