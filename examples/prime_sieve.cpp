// The first primes, from a chain of tasklets that grows: each filter holds one prime and lets
// through what it does not divide. What the last one lets through is the next prime.
//
//   prime_sieve [how many]
#include <stackless/stackless.hpp>

#include <cstdio>
#include <cstdlib>

namespace sl = stackless;

namespace {

sl::task<> generate(sl::channel<int> out) {
  for (int number = 2;; ++number) co_await out.send(number);
}

sl::task<> filter(sl::channel<int> in, sl::channel<int> out, int prime) {
  for (;;) {
    const int number = co_await in.receive();
    if (number % prime != 0) co_await out.send(number);
  }
}

sl::task<> sieve(int count) {
  co_await sl::with_nursery([&](sl::nursery& chain) -> sl::task<> {
    sl::channel<int> last;
    chain.spawn("numbers", generate, last);
    for (int i = 0; i < count; ++i) {
      const int prime = co_await last.receive();
      std::printf("%d\n", prime);
      sl::channel<int> next;
      chain.spawn("filter", filter, last, next, prime);
      last = next;
    }
    chain.cancel();  // the filters would go on for ever
  });
}

}  // namespace

int main(int argc, char** argv) {
  const int count = argc > 1 ? std::atoi(argv[1]) : 10;
  if (count < 0 || (count == 0 && argc > 1 && argv[1][0] != '0')) {
    std::fputs("usage: prime_sieve [how many]\n", stderr);
    return 2;
  }
  sl::run(sieve, count);
  return 0;
}
