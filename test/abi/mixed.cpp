// Compiled otherwise than the library it is linked with, in what is part of the ABI: must not link.

#include <stackless/stackless.hpp>

static stackless::task<> nothing() {
  co_return;
}

int main() {
  stackless::run(nothing);
}
