# Every dependency is looked for on the machine first and fetched from its own repository otherwise.
# stackless_fetched lists those that were fetched and that the library links: they keep it from being installed.

include(FetchContent)
set(stackless_fetched)

macro(stackless_find_library_dependencies)
  set(THREADS_PREFER_PTHREAD_FLAG ON)
  find_package(Threads REQUIRED)
  stackless_find_fmt()
  stackless_find_liburing()
endmacro()

macro(stackless_find_fmt)
  FetchContent_Declare(fmt
    GIT_REPOSITORY https://github.com/fmtlib/fmt.git
    GIT_TAG 10.2.1
    GIT_SHALLOW ON
    SYSTEM
    FIND_PACKAGE_ARGS 9)
  FetchContent_MakeAvailable(fmt)
  if(fmt_SOURCE_DIR)
    list(APPEND stackless_fetched fmt)
    if(NOT BUILD_SHARED_LIBS)
      set_target_properties(fmt PROPERTIES POSITION_INDEPENDENT_CODE ON)
    endif()
  endif()
endmacro()

macro(stackless_find_liburing)
  find_package(Liburing 2.3 QUIET)
  if(Liburing_FOUND)
    message(STATUS "Found liburing ${Liburing_VERSION}: ${Liburing_LIBRARY}")
  else()
    message(STATUS "liburing 2.3 or later was not found: it will be fetched and built")
    list(APPEND stackless_fetched liburing)
    include(stackless_build_liburing)
  endif()
endmacro()

# Sets STACKLESS_TLS. OpenSSL is never fetched: whoever wants TLS wants the one that the system keeps up to date.
macro(stackless_find_openssl)
  set(STACKLESS_TLS OFF)
  string(TOUPPER "${STACKLESS_WITH_TLS}" stackless_with_tls)
  if(stackless_with_tls STREQUAL "AUTO")
    find_package(OpenSSL 3 QUIET COMPONENTS SSL Crypto)
    if(OPENSSL_FOUND)
      message(STATUS "Found OpenSSL ${OPENSSL_VERSION}: stackless::tls is built")
      set(STACKLESS_TLS ON)
    else()
      message(STATUS "OpenSSL 3 was not found: no stackless::tls")
    endif()
  elseif(STACKLESS_WITH_TLS)
    find_package(OpenSSL 3 REQUIRED COMPONENTS SSL Crypto)
    set(STACKLESS_TLS ON)
  endif()
endmacro()

macro(stackless_find_catch2)
  FetchContent_Declare(Catch2
    GIT_REPOSITORY https://github.com/catchorg/Catch2.git
    GIT_TAG v3.7.1
    GIT_SHALLOW ON
    SYSTEM
    FIND_PACKAGE_ARGS)
  FetchContent_MakeAvailable(Catch2)
  if(catch2_SOURCE_DIR)
    set(stackless_catch2_version 3)
    list(APPEND CMAKE_MODULE_PATH "${catch2_SOURCE_DIR}/extras")
  else()
    if(Catch2_VERSION VERSION_LESS 2.13)
      message(FATAL_ERROR "The tests need Catch2 2.13 or later; ${Catch2_VERSION} was found in ${Catch2_DIR}")
    endif()
    string(REGEX MATCH "^[0-9]+" stackless_catch2_version "${Catch2_VERSION}")
  endif()
endmacro()

macro(stackless_find_benchmark)
  set(BENCHMARK_ENABLE_TESTING OFF)
  set(BENCHMARK_ENABLE_INSTALL OFF)
  set(BENCHMARK_ENABLE_GTEST_TESTS OFF)
  FetchContent_Declare(benchmark
    GIT_REPOSITORY https://github.com/google/benchmark.git
    GIT_TAG v1.8.3
    GIT_SHALLOW ON
    SYSTEM
    FIND_PACKAGE_ARGS)
  FetchContent_MakeAvailable(benchmark)
endmacro()
