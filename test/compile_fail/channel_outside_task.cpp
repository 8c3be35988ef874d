// expect: await_ready
#include <stackless/stackless.hpp>

#include <coroutine>

struct foreign {
  struct promise_type {
    foreign get_return_object() { return {}; }
    std::suspend_never initial_suspend() { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() {}
  };
};

#ifndef COMPILE_FAIL_CONTROL
foreign
#else
stackless::task<>
#endif
receiver(stackless::channel<int> in) {
  co_await in.receive();
}
