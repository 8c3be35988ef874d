# Fetches liburing and builds its static library with its own build system; makes Liburing::liburing.

include(ExternalProject)
find_program(STACKLESS_MAKE NAMES gmake make)
find_program(STACKLESS_CC NAMES cc gcc clang)
mark_as_advanced(STACKLESS_MAKE STACKLESS_CC)
if(NOT STACKLESS_MAKE OR NOT STACKLESS_CC)
  message(FATAL_ERROR
    "liburing was not found, and building it needs make and a C compiler. "
    "Install the liburing development package (liburing-dev, liburing-devel), or these two.")
endif()

set(liburing_prefix "${PROJECT_BINARY_DIR}/_deps/liburing")
set(liburing_library "${liburing_prefix}/lib/liburing.a")
file(MAKE_DIRECTORY "${liburing_prefix}/include")

ExternalProject_Add(stackless_liburing
  PREFIX "${PROJECT_BINARY_DIR}/_deps/liburing-build"
  GIT_REPOSITORY https://github.com/axboe/liburing.git
  GIT_TAG liburing-2.9
  GIT_SHALLOW ON
  UPDATE_COMMAND ""
  BUILD_IN_SOURCE ON
  CONFIGURE_COMMAND ./configure --cc=${STACKLESS_CC} --prefix=${liburing_prefix}
    --libdir=${liburing_prefix}/lib --includedir=${liburing_prefix}/include
    --mandir=${liburing_prefix}/man
  # -fPIC: it may end up in a shared stackless
  BUILD_COMMAND ${CMAKE_COMMAND} -E env "CFLAGS=-O2 -fPIC -fno-stack-protector"
    ${STACKLESS_MAKE} -C src ENABLE_SHARED=0
  INSTALL_COMMAND ${CMAKE_COMMAND} -E env "CFLAGS=-O2 -fPIC -fno-stack-protector"
    ${STACKLESS_MAKE} -C src install ENABLE_SHARED=0
  BUILD_BYPRODUCTS "${liburing_library}"
  LOG_CONFIGURE ON
  LOG_BUILD ON
  LOG_INSTALL ON
  LOG_OUTPUT_ON_FAILURE ON)

add_library(Liburing::liburing STATIC IMPORTED GLOBAL)
set_target_properties(Liburing::liburing PROPERTIES
  IMPORTED_LOCATION "${liburing_library}"
  INTERFACE_INCLUDE_DIRECTORIES "${liburing_prefix}/include")
add_dependencies(Liburing::liburing stackless_liburing)
