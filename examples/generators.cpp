// A sequence that is made while it is read: first in a plain function, then with a body that
// awaits.
#include <stackless/stackless.hpp>

#include <cstdio>
#include <string>
#include <vector>

namespace sl = stackless;

namespace {

struct node {
  int value;
  std::vector<node> children{};
};

sl::generator<const node&> walk(const node& tree) {
  co_yield tree;
  for (const node& child : tree.children) co_yield sl::elements_of(walk(child));
}

sl::async_generator<std::string> lines(sl::channel<char> in) {
  std::string line;
  while (auto c = co_await in.next()) {
    if (*c != '\n') {
      line += *c;
    } else {
      co_yield line;
      line.clear();
    }
  }
}

sl::task<> print(sl::channel<char> in) {
  auto all = lines(in);
  while (auto line = co_await all.next()) std::printf("line '%s'\n", line->c_str());
}

sl::task<> type(sl::channel<char> out) {
  const std::string text = "hello\nworld\n";
  for (const char c : text) co_await out.send(c);
  out.close();
}

sl::task<> program() {
  const node tree{1, {node{2, {node{3}}}, node{4}}};
  for (const node& n : walk(tree)) std::printf("node %d\n", n.value);
  sl::channel<char> keys("keys");
  sl::spawn("typist", type, keys);
  co_await print(keys);
}

}  // namespace

int main() {
  sl::run(program);
}
