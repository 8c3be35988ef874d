#pragma once

// Catch2 2.13 and 3 behind one name. CMake defines STACKLESS_CATCH2_VERSION as the major version it
// found.

#if STACKLESS_CATCH2_VERSION >= 3
#include <catch2/catch_approx.hpp>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/catch_tostring.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_adapters.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_predicate.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <string>

// An assertion may hold a co_await, but Catch2 repeats the expression in places that are never to
// be evaluated, such as `false && static_cast<const bool&>(…)`, and GCC (seen with 12 and 14)
// awaits there all the same. So this is its macro without the repetition, which is there for
// warnings only.
#if STACKLESS_CATCH2_VERSION >= 3
#define STACKLESS_CATCH_COMPLETE(handler) handler.complete();
#else
#define STACKLESS_CATCH_COMPLETE(handler) INTERNAL_CATCH_REACT(handler)
#endif
#undef INTERNAL_CATCH_TEST
#define INTERNAL_CATCH_TEST(macroName, resultDisposition, ...)                                \
  do {                                                                                        \
    Catch::AssertionHandler catchAssertionHandler(                                            \
        macroName##_catch_sr, CATCH_INTERNAL_LINEINFO, CATCH_INTERNAL_STRINGIFY(__VA_ARGS__), \
        resultDisposition                                                                     \
    );                                                                                        \
    INTERNAL_CATCH_TRY {                                                                      \
      CATCH_INTERNAL_START_WARNINGS_SUPPRESSION                                               \
      CATCH_INTERNAL_SUPPRESS_PARENTHESES_WARNINGS                                            \
      catchAssertionHandler.handleExpr(Catch::Decomposer() <= __VA_ARGS__);                   \
      CATCH_INTERNAL_STOP_WARNINGS_SUPPRESSION                                                \
    }                                                                                         \
    INTERNAL_CATCH_CATCH(catchAssertionHandler)                                               \
    STACKLESS_CATCH_COMPLETE(catchAssertionHandler)                                           \
  } while (false)

using Catch::Approx;

// The text matchers whose names differ between the two.
inline auto contains_text(const std::string& part) {
#if STACKLESS_CATCH2_VERSION >= 3
  return Catch::Matchers::ContainsSubstring(part);
#else
  return Catch::Matchers::Contains(part);
#endif
}
inline auto starts_with_text(const std::string& part) {
  return Catch::Matchers::StartsWith(part);
}
inline auto ends_with_text(const std::string& part) {
  return Catch::Matchers::EndsWith(part);
}
inline auto equals_text(const std::string& whole) {
  return Catch::Matchers::Equals(whole);
}
inline auto matches_regex(const std::string& regex) {
  return Catch::Matchers::Matches(regex);
}

// For REQUIRE_THROWS_MATCHES: an exception whose what() is this text.
inline auto has_message(const std::string& whole) {
  return Catch::Matchers::Message(whole);
}
