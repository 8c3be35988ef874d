# The install target and the CMake package `stackless`, with its component `tls`.

if(stackless_fetched)
  list(JOIN stackless_fetched ", " fetched)
  message(STATUS
    "No install target: ${fetched} was fetched and is not part of an installed stackless. "
    "Install its development package to get one, or say -DSTACKLESS_INSTALL=OFF.")
  set(STACKLESS_INSTALL OFF)
  return()
endif()

include(CMakePackageConfigHelpers)
include(GNUInstallDirs)
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/stackless")

set(no_tls_headers)
if(NOT STACKLESS_TLS)
  set(no_tls_headers PATTERN "include/stackless/tls" EXCLUDE)
endif()
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/stackless"
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILES_MATCHING PATTERN "*.hpp"
  ${no_tls_headers})
install(TARGETS stackless EXPORT stackless_targets
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT stackless_targets
  FILE stackless_targets.cmake
  NAMESPACE stackless::
  DESTINATION "${package_dir}")

if(STACKLESS_TLS)
  install(TARGETS stackless_tls EXPORT stackless_tls_targets
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
  install(EXPORT stackless_tls_targets
    FILE stackless_tls_targets.cmake
    NAMESPACE stackless::
    DESTINATION "${package_dir}")
endif()

configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/stacklessConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/stacklessConfig.cmake"
  INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/stacklessConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES
  "${PROJECT_BINARY_DIR}/stacklessConfig.cmake"
  "${PROJECT_BINARY_DIR}/stacklessConfigVersion.cmake"
  "${CMAKE_CURRENT_LIST_DIR}/FindLiburing.cmake"
  DESTINATION "${package_dir}")
install(FILES "${PROJECT_SOURCE_DIR}/tools/stackless-gdb.py" DESTINATION "${CMAKE_INSTALL_DATADIR}/stackless")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DATADIR}/licenses/stackless")
