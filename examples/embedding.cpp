// A host with a loop of its own, such as a game, drives the tasklets a little in every frame.
#include <stackless/stackless.hpp>

#include <cstdio>

namespace sl = stackless;

namespace {

sl::task<> door(sl::channel<int> keys) {
  while (auto key = co_await keys.next()) std::printf("opened with key %d\n", *key);
  std::puts("closed");
}

void host() {
  sl::scheduler tasklets;
  sl::channel<int> keys("keys", 4);
  tasklets.spawn(door, keys);
  for (int frame = 1; frame <= 3; ++frame) {
    std::printf("frame %d\n", frame);
    if (frame != 2) (void)keys.try_send(frame);  // the host's input, from a plain function
    if (frame == 3) keys.close();
    tasklets.run_ready();  // until all wait; never sleeps
  }
}

}  // namespace

int main() {
  host();
}
