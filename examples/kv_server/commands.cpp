#include "commands.hpp"

#include "command_functions.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <string>
#include <system_error>

namespace kv {

bool equal(std::string_view text, std::string_view capitals) {
  return std::equal(text.begin(), text.end(), capitals.begin(), capitals.end(), [](char a, char b) {
    return (a >= 'a' && a <= 'z' ? static_cast<char>(a - 'a' + 'A') : a) == b;
  });
}

std::optional<std::int64_t> integer(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

namespace {

struct entry {
  std::string_view name;
  int arity;     ///< with the name; negative: so many at least
  bool changes;  ///< refused while nothing can be logged
  void (*run)(client&, arguments);
};

constexpr std::array table{
    // sorted
    entry{"BGREWRITEAOF", 1, false, bgrewriteaof},
    entry{"CLIENT", -2, false, say_ok},
    entry{"COMMAND", -1, false, command},
    entry{"CONFIG", -2, false, config},
    entry{"DBSIZE", 1, false, dbsize},
    entry{"DECR", 2, true, decr},
    entry{"DECRBY", 3, true, decrby},
    entry{"DEL", -2, true, del},
    entry{"ECHO", 2, false, echo},
    entry{"EXISTS", -2, false, exists},
    entry{"EXPIRE", 3, true, expire},
    entry{"FLUSHALL", -1, true, flushall},
    entry{"GET", 2, false, get},
    entry{"HELLO", -1, false, hello},
    entry{"INCR", 2, true, incr},
    entry{"INCRBY", 3, true, incrby},
    entry{"INFO", -1, false, info},
    entry{"LLEN", 2, false, llen},
    entry{"LPUSH", -3, true, lpush},
    entry{"LRANGE", 4, false, lrange},
    entry{"MGET", -2, false, mget},
    entry{"MSET", -3, true, mset},
    entry{"PEXPIRE", 3, true, pexpire},
    entry{"PEXPIREAT", 3, true, pexpireat},
    entry{"PING", -1, false, ping},
    entry{"PTTL", 2, false, pttl},
    entry{"PUBLISH", 3, false, publish},
    entry{"QUIT", -1, false, quit},
    entry{"RPUSH", -3, true, rpush},
    entry{"SELECT", 2, false, select},
    entry{"SET", -3, true, set},
    entry{"SUBSCRIBE", -2, false, subscribe},
    entry{"TTL", 2, false, ttl},
    entry{"TYPE", 2, false, type},
    entry{"UNSUBSCRIBE", -1, false, unsubscribe},
};
static_assert(std::is_sorted(table.begin(), table.end(), [](const entry& a, const entry& b) {
  return a.name < b.name;
}));

const entry* find_command(std::string_view name) {
  std::array<char, 16> capitals{};
  if (name.size() > capitals.size()) return nullptr;
  std::transform(name.begin(), name.end(), capitals.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  const std::string_view wanted(capitals.data(), name.size());
  const auto at = std::lower_bound(
      table.begin(), table.end(), wanted,
      [](const entry& e, std::string_view text) { return e.name < text; }
  );
  return at != table.end() && at->name == wanted ? &*at : nullptr;
}

std::string lower(std::string_view name) {
  std::string text(name.substr(0, 64));
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

}  // namespace

void execute(client& c, std::span<const std::string_view> request) {
  if (request.empty()) return;
  ++c.data.commands;
  // A web page can make a browser send these, with commands in the body: none of them may be run.
  if (equal(request[0], "POST") || equal(request[0], "HOST:")) {
    std::fprintf(stderr, "a client speaks HTTP; it is dropped\n");
    c.wants_to_leave = true;
    return;
  }
  const entry* const found = find_command(request[0]);
  if (found == nullptr)
    return c.reply.error("ERR unknown command '" + std::string(request[0].substr(0, 64)) + "'");
  const auto count = static_cast<int>(request.size());
  if (found->arity >= 0 ? count != found->arity : count < -found->arity)
    return c.reply.error("ERR wrong number of arguments for '" + lower(found->name) + "' command");
  if (found->changes && c.data.log != nullptr && c.data.log->problem())
    return c.reply.error(
        "MISCONF the append-only file cannot be written: " + c.data.log->problem().message()
    );
  const bool listens = c.listening && c.listening->size() != 0 && !c.reply.is_version_3;
  if (listens && found->run != subscribe && found->run != unsubscribe && found->run != ping &&
      found->run != quit)
    return c.reply.error(
        "ERR Can't execute '" + lower(found->name) +
        "': only (UN)SUBSCRIBE, PING and QUIT are allowed in this context"
    );
  found->run(c, request);
}

}  // namespace kv
