#include <stackless/stackless.hpp>

#include "catch.hpp"

namespace sl = stackless;

namespace {

sl::task<> count_up(sl::channel<int> out, int count) {
  for (int i = 0; i < count; ++i) co_await out.send(i);
  out.close();
}

}  // namespace

// GCC 12 has mishandled temporaries of a co_await in conditions; see docs/compilers.md.
TEST_CASE("a receive stands directly in a condition") {
  int plain = 0;
  int negated = 0;
  int compared = 0;
  sl::run([&]() -> sl::task<> {
    sl::channel<int> a;
    sl::spawn(count_up, a, 3);
    while (co_await a.next()) ++plain;

    sl::channel<int> b;
    sl::spawn(count_up, b, 3);
    for (;;) {
      if (!co_await b.next()) break;
      ++negated;
    }

    sl::channel<int> c;
    sl::spawn(count_up, c, 3);
    while (co_await c.receive() < 2) ++compared;
  });
  CHECK(plain == 3);
  CHECK(negated == 3);
  CHECK(compared == 2);
}
