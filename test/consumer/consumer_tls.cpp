#include <stackless/stackless.hpp>
#include <stackless/tls/tls.hpp>

#include <cstdio>

namespace sl = stackless;

int main() {
  try {
    (void)sl::tls::context::client("none.pem");
  } catch (const sl::tls::tls_error& error) {
    std::printf("%s\n", error.what());
  }
}
