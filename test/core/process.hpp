#pragma once

// Tests of what the library prints and of how it ends the program.

#include <csignal>
#include <cstdio>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

namespace process {

inline std::string read_all(int descriptor) {
  std::string text;
  char part[4096];
  for (;;) {
    const ssize_t count = ::read(descriptor, part, sizeof part);
    if (count <= 0) return text;
    text.append(part, static_cast<std::size_t>(count));
  }
}

/// What `f()` writes to standard error.
template <class F>
std::string stderr_of(F f) {
  std::FILE* file = std::tmpfile();
  std::fflush(stderr);
  const int before = ::dup(STDERR_FILENO);
  ::dup2(::fileno(file), STDERR_FILENO);
  f();
  std::fflush(stderr);
  ::dup2(before, STDERR_FILENO);
  ::close(before);
  ::lseek(::fileno(file), 0, SEEK_SET);
  std::string text = read_all(::fileno(file));
  std::fclose(file);
  return text;
}

struct end {
  int signal = 0;    ///< 0: it exited
  std::string text;  ///< what it wrote to standard error
};

/// How a process that does `f()` ends.
template <class F>
end end_of(F f) {
  int ends[2];
  if (::pipe(ends) != 0) return {-1, "pipe failed"};
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    std::signal(SIGABRT, SIG_DFL);  // not the test framework's
    f();
    ::_exit(0);
  }
  ::close(ends[1]);
  end result;
  result.text = read_all(ends[0]);
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  return result;
}

}  // namespace process
