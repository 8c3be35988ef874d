// expect: try_send
#include <stackless/stackless.hpp>

#include <memory>

bool caller(const stackless::channel<std::unique_ptr<int>>& out, std::unique_ptr<int>& value) {
#ifndef COMPILE_FAIL_CONTROL
  return out.try_send(value) == stackless::send_status::sent;
#else
  return out.try_send_from(value) == stackless::send_status::sent;
#endif
}
