#include <stackless/deadlock.hpp>
#include <stackless/detail/diagnostics_port.hpp>
#include <stackless/detail/scheduler_core.hpp>
#include <stackless/scheduler.hpp>

#include "catch.hpp"

#include <cstdlib>
#include <new>
#include <string>

namespace {

thread_local bool memory_is_short = false;

}  // namespace

void* operator new(std::size_t size) {
  void* memory = memory_is_short ? nullptr : std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return memory_is_short ? nullptr : std::malloc(size);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

TEST_CASE("a deadlock is told when there is no memory left to describe it") {
  using namespace stackless;
  const auto body = []() -> task<> {
    memory_is_short = true;
    std::exception_ptr error = detail::make_deadlock_error(*detail::active_scheduler, nullptr);
    memory_is_short = false;
    std::string text;
    try {
      std::rethrow_exception(error);
    } catch (const deadlock_error& e) {
      text = e.what();
      CHECK(e.report().why == verdict::unknown);
    }
    CHECK(text == "deadlock: there was no memory left to tell why");
    co_return;
  };
  run(body);
}

TEST_CASE("an exception goes its way when there is no memory to note it") {
  using namespace stackless;
  const auto body = []() -> task<> {
    const auto fails = []() -> task<> {
      co_await yield();
      memory_is_short = true;
      throw 42;
    };
    const auto between = [&]() -> task<> { co_await fails(); };
    int caught = 0;
    try {
      co_await between();
    } catch (int value) {
      caught = value;
    }
    memory_is_short = false;
    CHECK(caught == 42);
  };
  run(body);
}
