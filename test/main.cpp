// Catch2 2 brings no main of its own everywhere; compiled once for all test programs. Catch2 3 does
// not use this file.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
