#include <stackless/detail/io_port.hpp>
#include <stackless/scheduler_options.hpp>

#include "buffer_pool_state.hpp"
#include "epoll_backend.hpp"
#include "uring_backend.hpp"
#include "uring_features.hpp"

#include <cerrno>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

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

std::unique_ptr<io_backend> chosen(std::unique_ptr<io_backend> backend, std::string why) {
  backend->chosen_because(std::move(why));
  return backend;
}

}  // namespace

std::unique_ptr<io_backend> make_io_backend(const scheduler_options& options) {
  io_choice choice = options.io;
  if (choice == io_choice::automatic) choice = choice_of_environment();
  const uring_features features;
  const char* const asked =
      options.io == io_choice::automatic ? "STACKLESS_IO asks for it" : "the options ask for it";
  switch (choice) {
  case io_choice::none:
    return nullptr;
  case io_choice::uring:
    return chosen(std::make_unique<uring_backend>(features, options.ring_entries), asked);
  case io_choice::epoll:
    return chosen(std::make_unique<epoll_backend>(), asked);
  case io_choice::automatic:
    break;
  }
  try {
    return chosen(
        std::make_unique<uring_backend>(features, options.ring_entries), "the kernel permits it"
    );
  } catch (const std::system_error& error) {  // an old kernel, a sandbox, a memory limit
    return chosen(std::make_unique<epoll_backend>(), error.what());
  }
}

void io_backend::adopt(buffer_pool_state& pool) noexcept {
  pools_.push_back(pool);
  pool.enter(*this);
  lend(pool);
}

void io_backend::forget(buffer_pool_state& pool) noexcept {
  intrusive_list<buffer_pool_state>::remove(pool);
}

void io_backend::release_pools() noexcept {
  while (!pools_.empty()) {
    buffer_pool_state& pool = pools_.front();
    pool.leave();
    forget(pool);
  }
}

}  // namespace stackless::inline STACKLESS_ABI::detail
