#pragma once

// Compiler floor, and the switches that are part of the ABI.

#if defined(__clang__)
#if __clang_major__ < 16
#error "stackless needs Clang 16 or later: older versions give wrong source locations"
#endif
#elif defined(__GNUC__)
#if __GNUC__ < 12
#error "stackless needs GCC 12 or later"
#endif
#endif

// Under AddressSanitizer frames are not recycled: an object that does not agree on it would free
// another's memory wrongly.
#if defined(__SANITIZE_ADDRESS__)
#define STACKLESS_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STACKLESS_ADDRESS_SANITIZER 1
#endif
#endif
#ifndef STACKLESS_ADDRESS_SANITIZER
#define STACKLESS_ADDRESS_SANITIZER 0
#endif

// Whether operations know if they were awaited: in debug builds, by the option
// STACKLESS_CHECK_AWAITED of the build, and under the sanitizer.
#if STACKLESS_ADDRESS_SANITIZER || (defined(STACKLESS_CHECK_AWAITED) && STACKLESS_CHECK_AWAITED)
#define STACKLESS_AWAITS_ARE_CHECKED 1
#else
#define STACKLESS_AWAITS_ARE_CHECKED 0
#endif

// An inline namespace keeps objects from linking that do not agree on these.
#if defined(STACKLESS_NO_TRACKING) && STACKLESS_NO_TRACKING
#define STACKLESS_TRACKING 0
#if STACKLESS_ADDRESS_SANITIZER
#define STACKLESS_ABI untracked_with_address_sanitizer_1
#elif STACKLESS_AWAITS_ARE_CHECKED
#define STACKLESS_ABI untracked_with_checked_awaits_1
#else
#define STACKLESS_ABI untracked_1
#endif
#else
#define STACKLESS_TRACKING 1
#if STACKLESS_ADDRESS_SANITIZER
#define STACKLESS_ABI tracked_with_address_sanitizer_1
#elif STACKLESS_AWAITS_ARE_CHECKED
#define STACKLESS_ABI tracked_with_checked_awaits_1
#else
#define STACKLESS_ABI tracked_1
#endif
#endif

// GCC 12 destroys aggregate temporaries of a co_await expression twice; see docs/compilers.md.
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
#define STACKLESS_DOUBLE_DESTROYS_AGGREGATES 1
#else
#define STACKLESS_DOUBLE_DESTROYS_AGGREGATES 0
#endif
