#include <stackless/detail/io_port.hpp>
#include <stackless/scheduler_options.hpp>

#include "epoll_backend.hpp"
#include "uring_backend.hpp"

#include <cerrno>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

// So that a whole test suite, or a program in a sandbox, can be run on either engine.
io_choice choice_of_environment() {
  const char* text = std::getenv("STACKLESS_IO");
  if (text == nullptr || *text == '\0') return io_choice::automatic;
  const std::string_view value = text;
  if (value == "uring") return io_choice::uring;
  if (value == "epoll") return io_choice::epoll;
  throw std::system_error(
      EINVAL, std::system_category(),
      "STACKLESS_IO is \"" + std::string(value) + "\", and can be \"uring\" or \"epoll\""
  );
}

}  // namespace

std::unique_ptr<io_backend> make_io_backend(const scheduler_options& options) {
  io_choice choice = options.io;
  if (choice == io_choice::automatic) choice = choice_of_environment();
  switch (choice) {
  case io_choice::none:
    return nullptr;
  case io_choice::uring:
    return std::make_unique<uring_backend>(options.ring_entries);
  case io_choice::epoll:
    return std::make_unique<epoll_backend>();
  case io_choice::automatic:
    break;
  }
  try {
    return std::make_unique<uring_backend>(options.ring_entries);
  } catch (const std::system_error&) {  // an old kernel, a sandbox, a memory limit
    return std::make_unique<epoll_backend>();
  }
}

}  // namespace stackless::inline STACKLESS_ABI::detail
