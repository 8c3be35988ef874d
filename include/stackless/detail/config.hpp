#pragma once

// Compiler floor, and the one switch that is part of the ABI.

#if defined(__clang__)
#if __clang_major__ < 16
#error "stackless needs Clang 16 or later: older versions give wrong source locations"
#endif
#elif defined(__GNUC__)
#if __GNUC__ < 12
#error "stackless needs GCC 12 or later"
#endif
#endif

// An inline namespace keeps objects that were built with and without tracking from linking.
#if defined(STACKLESS_NO_TRACKING) && STACKLESS_NO_TRACKING
#define STACKLESS_TRACKING 0
#define STACKLESS_ABI untracked_1
#else
#define STACKLESS_TRACKING 1
#define STACKLESS_ABI tracked_1
#endif

// GCC 12 destroys aggregate temporaries of a co_await expression twice; see docs/compilers.md.
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
#define STACKLESS_DOUBLE_DESTROYS_AGGREGATES 1
#else
#define STACKLESS_DOUBLE_DESTROYS_AGGREGATES 0
#endif
