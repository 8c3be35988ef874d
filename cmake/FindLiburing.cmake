# Finds liburing and makes Liburing::liburing. Sets Liburing_FOUND, Liburing_VERSION, Liburing_LIBRARY.

find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(PC_LIBURING QUIET liburing)
endif()

find_path(Liburing_INCLUDE_DIR NAMES liburing.h HINTS ${PC_LIBURING_INCLUDE_DIRS})
find_library(Liburing_LIBRARY NAMES uring HINTS ${PC_LIBURING_LIBRARY_DIRS})
mark_as_advanced(Liburing_INCLUDE_DIR Liburing_LIBRARY)

set(Liburing_VERSION "${PC_LIBURING_VERSION}")
if(NOT Liburing_VERSION AND EXISTS "${Liburing_INCLUDE_DIR}/liburing/io_uring_version.h") # since 2.4
  file(READ "${Liburing_INCLUDE_DIR}/liburing/io_uring_version.h" liburing_version_header)
  if(liburing_version_header MATCHES "IO_URING_VERSION_MAJOR[ \t]+([0-9]+)")
    set(Liburing_VERSION "${CMAKE_MATCH_1}")
    if(liburing_version_header MATCHES "IO_URING_VERSION_MINOR[ \t]+([0-9]+)")
      string(APPEND Liburing_VERSION ".${CMAKE_MATCH_1}")
    endif()
  endif()
  unset(liburing_version_header)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Liburing
  REQUIRED_VARS Liburing_LIBRARY Liburing_INCLUDE_DIR
  VERSION_VAR Liburing_VERSION)

if(Liburing_FOUND AND NOT TARGET Liburing::liburing)
  add_library(Liburing::liburing UNKNOWN IMPORTED)
  set_target_properties(Liburing::liburing PROPERTIES
    IMPORTED_LOCATION "${Liburing_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${Liburing_INCLUDE_DIR}")
endif()
