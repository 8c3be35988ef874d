# Refuses compilers that cannot build the library correctly, and says what GCC 12 asks of its users.

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12)
    message(FATAL_ERROR
      "stackless needs GCC 12 or later; this is GCC ${CMAKE_CXX_COMPILER_VERSION} (${CMAKE_CXX_COMPILER}). "
      "Choose another one with -DCMAKE_CXX_COMPILER=…")
  elseif(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13 AND PROJECT_IS_TOP_LEVEL)
    message(STATUS
      "GCC ${CMAKE_CXX_COMPILER_VERSION} destroys some temporaries in co_await expressions twice: "
      "see docs/compilers.md for the one rule to follow, or use GCC 13 or Clang 16 and later")
  endif()
elseif(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 16)
    message(FATAL_ERROR
      "stackless needs Clang 16 or later; this is Clang ${CMAKE_CXX_COMPILER_VERSION} (${CMAKE_CXX_COMPILER}). "
      "Choose another one with -DCMAKE_CXX_COMPILER=…")
  endif()
else()
  message(FATAL_ERROR
    "stackless needs GCC 12 or later, or Clang 16 or later; "
    "this is ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION} (${CMAKE_CXX_COMPILER})")
endif()

if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
  message(FATAL_ERROR "stackless runs on Linux only; this is ${CMAKE_SYSTEM_NAME}")
endif()
