// without_uring ERROR PROGRAM [ARGUMENT…]: runs the program under a seccomp filter that answers the
// system calls of io_uring with that errno (EPERM or ENOSYS), as containers do.

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string_view>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("usage: without_uring EPERM|ENOSYS PROGRAM [ARGUMENT...]\n", stderr);
    return 2;
  }
  const std::uint32_t answer = std::string_view(argv[1]) == "ENOSYS" ? ENOSYS : EPERM;
  // Numbers alone: io_uring_setup, _enter and _register have the same ones on every architecture.
  std::array<sock_filter, 5> code{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, __NR_io_uring_setup, 0, 2),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, __NR_io_uring_register, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | answer),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog program{code.size(), code.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    std::perror("without_uring: skipped: seccomp");
    return 77;
  }
  if (::syscall(__NR_io_uring_setup, 1, nullptr) != -1 || errno != static_cast<int>(answer)) {
    std::fputs("without_uring: the filter lets io_uring through\n", stderr);
    return 1;
  }
  ::execvp(argv[2], argv + 2);
  std::perror(argv[2]);
  return 1;
}
