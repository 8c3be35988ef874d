#include "io_test.hpp"

#include <array>

using stackless::task;
namespace io = stackless::io;
using io::ip_address;
using io::socket_address;

TEST_CASE("addresses are read and written back") {
  const std::array<const char*, 8> texts{
      "0.0.0.0", "127.0.0.1", "255.255.255.255", "192.0.2.1",
      "::",      "::1",       "2001:db8::1",     "fe80::1%7",
  };
  for (const char* text : texts) {
    CAPTURE(text);
    const auto address = ip_address::parse(text);
    REQUIRE(address);
    CHECK(to_string(*address) == text);
  }
}

TEST_CASE("what is not an address") {
  const std::array<std::string_view, 13> texts{
      "",
      "localhost",
      "1.2.3",
      "1.2.3.256",
      "1.2.3.4.5",
      " 1.2.3.4",
      "1.2.3.4 ",
      "[::1]",
      ":::",
      "1.2.3.4%1",
      "fe80::1%nowhere",
      "fe80::1%",
      {"1.2.3.4\0x", 9},
  };
  for (const std::string_view text : texts) {
    CAPTURE(text);
    CHECK_FALSE(ip_address::parse(text));
  }
}

TEST_CASE("an address names an interface") {
  const auto address = ip_address::parse("fe80::1%lo");
  REQUIRE(address);
  CHECK(address->scope() == 1);
}

TEST_CASE("well-known addresses") {
  CHECK(to_string(ip_address()) == "0.0.0.0");
  CHECK(to_string(ip_address::loopback()) == "127.0.0.1");
  CHECK(to_string(ip_address::loopback(io::ip_version::v6)) == "::1");
  CHECK(to_string(ip_address::any(io::ip_version::v6)) == "::");
  CHECK(ip_address::any().is_any());
  CHECK(ip_address::any(io::ip_version::v6).is_any());
  CHECK_FALSE(ip_address::loopback().is_any());
  CHECK(ip_address::loopback().is_loopback());
  CHECK(ip_address::v4({127, 9, 9, 9}).is_loopback());
  CHECK(ip_address::loopback(io::ip_version::v6).is_loopback());
  CHECK_FALSE(ip_address::v4({128, 0, 0, 1}).is_loopback());
  CHECK(ip_address::v4({1, 2, 3, 4}) < ip_address::v4({1, 2, 3, 5}));
  CHECK(ip_address::v4({1, 2, 3, 4}) == ip_address::parse("1.2.3.4"));
}

TEST_CASE("addresses with ports") {
  const auto v4 = socket_address::parse("192.0.2.1:80");
  REQUIRE(v4);
  CHECK(v4->port() == 80);
  CHECK(to_string(*v4) == "192.0.2.1:80");
  const auto v6 = socket_address::parse("[2001:db8::1]:65535");
  REQUIRE(v6);
  CHECK(v6->ip().version() == io::ip_version::v6);
  CHECK(to_string(*v6) == "[2001:db8::1]:65535");
  for (const char* text :
       {"", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:-1", "1.2.3.4:x", "::1:80", "[::1]",
        "[1.2.3.4]:80", "localhost:80", "[::1]80", ":80"}) {
    CAPTURE(text);
    CHECK_FALSE(socket_address::parse(text));
  }
}

TEST_CASE("names that are resolved") {
  stackless::run([]() -> task<> {
    auto address = co_await io::resolve("127.0.0.1", 80);
    CHECK(to_string(address) == "127.0.0.1:80");
    address = co_await io::resolve("localhost", 81);
    CHECK(to_string(address) == "127.0.0.1:81");
    address = co_await io::resolve("::1", 82);
    CHECK(to_string(address) == "[::1]:82");
    address = co_await io::resolve("[::1]", 83);
    CHECK(to_string(address) == "[::1]:83");
  });
}

TEST_CASE("bytes are views of what holds bytes") {
  const std::string text = "abc";
  CHECK(io::const_bytes(text).size() == 3);
  CHECK(io::const_bytes("abcd").size() == 4);
  const char unterminated[] = {'a', 'b'};
  CHECK(io::const_bytes(unterminated).size() == 2);
  CHECK(io::const_bytes(std::string_view("a\0b", 3)).size() == 3);
  std::vector<std::byte> bytes(5);
  CHECK(io::const_bytes(bytes).size() == 5);
  CHECK(io::mutable_bytes(bytes).data() == bytes.data());
  char room[16];
  CHECK(io::mutable_bytes(room).size() == 16);
  CHECK(io::mutable_bytes(std::span(bytes).first(2)).size() == 2);
  CHECK_FALSE(std::is_constructible_v<io::mutable_bytes, const std::string&>);
  CHECK_FALSE(std::is_constructible_v<io::mutable_bytes, std::string>);
  CHECK_FALSE(std::is_constructible_v<io::mutable_bytes, std::string_view>);
  CHECK_FALSE(std::is_constructible_v<io::const_bytes, std::vector<int>>);
}
