// Linked with a library that was built with the other setting of STACKLESS_NO_TRACKING: must not
// link.

#include <stackless/stackless.hpp>

static stackless::task<> nothing() {
  co_return;
}

int main() {
  stackless::run(nothing);
}
