#include <stackless/io/pipe.hpp>

#include "failure.hpp"
#include "file_access.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

void ignore_broken_pipes() noexcept {
  struct sigaction action{};
  if (::sigaction(SIGPIPE, nullptr, &action) != 0 || (action.sa_flags & SA_SIGINFO) != 0 ||
      action.sa_handler != SIG_DFL)
    return;
  action.sa_handler = SIG_IGN;
  (void)::sigaction(SIGPIPE, &action, nullptr);
}

}  // namespace detail

namespace io {

namespace {

using detail::io_handle;
using detail::io_resource;

file duplicate(int descriptor, const char* name, std::error_code& error) {
  io_handle made = io_handle::make(io_resource::kind::file, name);
  // Above the three, whichever of them are closed.
  made->descriptor = ::fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (made->descriptor == -1) {
    error = detail::code_of(-errno);
    return {};
  }
  error.clear();
  if (descriptor != STDIN_FILENO) detail::ignore_broken_pipes();
  return detail::file_access::make(std::move(made));
}

file duplicate(int descriptor, const char* name) {
  std::error_code error;
  file made = duplicate(descriptor, name, error);
  if (error) throw io_error(error, "open", descriptor, name);
  return made;
}

}  // namespace

pipe_ends pipe(std::error_code& error) {
  // Before the descriptors exist: nothing may fail once they do.
  io_handle read_end = io_handle::make(io_resource::kind::file, "pipe, read end");
  io_handle write_end = io_handle::make(io_resource::kind::file, "pipe, write end");
  std::array<int, 2> made{-1, -1};
  if (::pipe2(made.data(), O_CLOEXEC) == -1) {
    error = detail::code_of(-errno);
    return {};
  }
  error.clear();
  read_end->descriptor = made[0];
  write_end->descriptor = made[1];
  detail::ignore_broken_pipes();
  return {
      detail::file_access::make(std::move(read_end)),
      detail::file_access::make(std::move(write_end))
  };
}

pipe_ends pipe() {
  std::error_code error;
  pipe_ends made = pipe(error);
  if (error) throw io_error(error, "pipe", -1, {});
  return made;
}

file standard_input() {
  return duplicate(STDIN_FILENO, "standard input");
}
file standard_input(std::error_code& error) {
  return duplicate(STDIN_FILENO, "standard input", error);
}
file standard_output() {
  return duplicate(STDOUT_FILENO, "standard output");
}
file standard_output(std::error_code& error) {
  return duplicate(STDOUT_FILENO, "standard output", error);
}
file standard_error() {
  return duplicate(STDERR_FILENO, "standard error");
}
file standard_error(std::error_code& error) {
  return duplicate(STDERR_FILENO, "standard error", error);
}

}  // namespace io

}  // namespace stackless::inline STACKLESS_ABI
