#pragma once

#include <stackless/async_stack.hpp>

#include <exception>
#include <string>

namespace stackless::inline STACKLESS_ABI {

/// The coroutines that an exception has left, and the one that it was raised in last: innermost
/// first, through joins and channels from one tasklet to the next. Of an error that several
/// tasklets were told of by `join`, the way to the one who was told last. 256 frames at most, from
/// both ends.
///
/// A frame's place is that of the latest `co_await` it got to: the innermost one threw there, or
/// after it. Empty for an exception that was in no coroutine, for `tasklet_exit` and `cancelled`,
/// and when tracking is compiled out.
///
/// **Errors**: `std::bad_alloc`. **Lifetime**: kept for as long as the exception lives.
/// **Threads**: any. It costs nothing until something is thrown.
[[nodiscard]] async_stack trace_of(const std::exception_ptr& error);

/// What the exception says, its way by tasklets, and the errors that it suppressed: for a log.
///
///     std::invalid_argument: no such account
///        0  parse(std::string_view)                      server.cpp:23:5
///        1  worker(int)                                  server.cpp:40:3
///           #4 worker, spawned client.cpp:42 by #1
///        2  session()                                    client.cpp:71:20
///           #1 main
[[nodiscard]] std::string traceback(const std::exception_ptr& error);

/// From now on `std::terminate` prints the traceback of an exception that nobody caught, and the
/// async stack of the tasklet that runs, to standard error; then it calls the handler before, which
/// ends the program. (After an exception libstdc++'s own is left out, which would print its message
/// again.) Calling it again changes nothing.
/// **Threads**: any.
void print_traceback_on_terminate() noexcept;

}  // namespace stackless::inline STACKLESS_ABI
