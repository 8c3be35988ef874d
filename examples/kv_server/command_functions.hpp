#pragma once

#include "commands.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

// What the table of commands leads to. The number of arguments has been looked at.

namespace kv {

/// With the command's name in front.
using arguments = std::span<const std::string_view>;

inline constexpr std::string_view no_integer = "ERR value is not an integer or out of range";

/// Whatever the letters' case is.
[[nodiscard]] bool equal(std::string_view text, std::string_view capitals);
[[nodiscard]] std::optional<std::int64_t> integer(std::string_view text);

// data_commands.cpp: strings, lists, keys
void get(client& c, arguments a);
void set(client& c, arguments a);
void mget(client& c, arguments a);
void mset(client& c, arguments a);
void incr(client& c, arguments a);
void decr(client& c, arguments a);
void incrby(client& c, arguments a);
void decrby(client& c, arguments a);
void lpush(client& c, arguments a);
void rpush(client& c, arguments a);
void llen(client& c, arguments a);
void lrange(client& c, arguments a);
void del(client& c, arguments a);
void exists(client& c, arguments a);
void expire(client& c, arguments a);
void pexpire(client& c, arguments a);
void pexpireat(client& c, arguments a);
void ttl(client& c, arguments a);
void pttl(client& c, arguments a);
void type(client& c, arguments a);
void dbsize(client& c, arguments a);
void flushall(client& c, arguments a);

// connection_commands.cpp: topics, the connection and the server
void publish(client& c, arguments a);
void subscribe(client& c, arguments a);
void unsubscribe(client& c, arguments a);
void ping(client& c, arguments a);
void echo(client& c, arguments a);
void quit(client& c, arguments a);
void hello(client& c, arguments a);
void select(client& c, arguments a);
void say_ok(client& c, arguments a);
void config(client& c, arguments a);
void command(client& c, arguments a);
void bgrewriteaof(client& c, arguments a);
void info(client& c, arguments a);

}  // namespace kv
