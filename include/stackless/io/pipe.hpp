#pragma once

#include <stackless/io/file.hpp>

#include <system_error>

namespace stackless::inline STACKLESS_ABI::io {

/// The two ends of a pipe.
struct pipe_ends {
  file read_end;
  file write_end;
};

/// A new pipe. What is written to one end is read from the other: 0 at the end, when every copy of
/// the write end is closed. Writing without a reader is `std::errc::broken_pipe`. A plain function.
///
/// The system answers that with SIGPIPE as well, which ends a program: if it has its default
/// action, it is ignored from now on (in the whole process, and in programs that it
/// starts otherwise than by `process`).
///
/// **Errors**: `io_error`; with `error` given it is set instead, and the ends are closed ones.
[[nodiscard]] pipe_ends pipe();
[[nodiscard]] pipe_ends pipe(std::error_code& error);

/// What the process was started with, as duplicates: closing them does not close descriptors 0, 1
/// and 2. Terminals, pipes and sockets are waited for without a thread. What `std::cin` or `stdin`
/// have read ahead is not seen. Plain functions.
///
/// The outputs ignore SIGPIPE, as `pipe` does.
///
/// **Errors**: `io_error`, such as `std::errc::bad_file_descriptor` when there is none; with
/// `error` given it is set instead, and the file is a closed one.
[[nodiscard]] file standard_input();
[[nodiscard]] file standard_input(std::error_code& error);
[[nodiscard]] file standard_output();
[[nodiscard]] file standard_output(std::error_code& error);
[[nodiscard]] file standard_error();
[[nodiscard]] file standard_error(std::error_code& error);

}  // namespace stackless::inline STACKLESS_ABI::io
