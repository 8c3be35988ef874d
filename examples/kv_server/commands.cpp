#include "commands.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <limits>
#include <optional>
#include <string>
#include <system_error>

namespace sl = stackless;

namespace kv {

namespace {

using arguments = std::span<const std::string_view>;

constexpr std::string_view wrong_type =
    "WRONGTYPE Operation against a key holding the wrong kind of value";
constexpr std::string_view no_integer = "ERR value is not an integer or out of range";
constexpr std::string_view syntax_error = "ERR syntax error";

bool equal(std::string_view text, std::string_view capitals) {
  return std::equal(text.begin(), text.end(), capitals.begin(), capitals.end(), [](char a, char b) {
    return (a >= 'a' && a <= 'z' ? static_cast<char>(a - 'a' + 'A') : a) == b;
  });
}

std::optional<std::int64_t> integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Changes are logged as what they came to, with the moment in place of the time left.
void log(client& c, std::initializer_list<std::string_view> request) {
  c.has_changed_data = true;
  if (c.data.log != nullptr) c.data.log->append({request.begin(), request.size()});
}
void log(client& c, arguments request) {
  c.has_changed_data = true;
  if (c.data.log != nullptr) c.data.log->append(request);
}

std::string text_of(moment when) {
  return std::to_string(when.time_since_epoch().count());
}

/// So much from now on; nothing when no clock goes so far.
std::optional<moment> after(std::int64_t amount, std::int64_t unit_in_milliseconds) {
  const std::int64_t present = now().time_since_epoch().count();
  if (amount > (std::numeric_limits<std::int64_t>::max() - present) / unit_in_milliseconds ||
      amount < std::numeric_limits<std::int64_t>::min() / unit_in_milliseconds)
    return std::nullopt;
  return moment(std::chrono::milliseconds(present + amount * unit_in_milliseconds));
}

/// The string under the key. False: there is another kind of value, and the reply says so.
bool find_string(client& c, std::string_view key, const std::string*& found) {
  found = nullptr;
  const value* const held = c.data.keys.find(key);
  if (held == nullptr) return true;
  found = std::get_if<std::string>(held);
  if (found == nullptr) c.reply.error(wrong_type);
  return found != nullptr;
}
bool find_list(client& c, std::string_view key, const list*& found) {
  found = nullptr;
  const value* const held = c.data.keys.find(key);
  if (held == nullptr) return true;
  found = std::get_if<list>(held);
  if (found == nullptr) c.reply.error(wrong_type);
  return found != nullptr;
}

// Strings
// ------------------------------------------------------------------------------------------

void get(client& c, arguments a) {
  const std::string* text = nullptr;
  if (!find_string(c, a[1], text)) return;
  if (text == nullptr) return c.reply.null();
  c.reply.bulk(*text);
}

void set(client& c, arguments a) {
  bool only_new = false;
  bool only_there = false;
  bool keeps_deadline = false;
  bool gives_old = false;
  std::optional<moment> deadline;
  for (std::size_t i = 3; i < a.size(); ++i) {
    if (equal(a[i], "NX")) {
      only_new = true;
    } else if (equal(a[i], "XX")) {
      only_there = true;
    } else if (equal(a[i], "KEEPTTL")) {
      keeps_deadline = true;
    } else if (equal(a[i], "GET")) {
      gives_old = true;
    } else if ((equal(a[i], "EX") || equal(a[i], "PX") || equal(a[i], "EXAT") || equal(a[i], "PXAT")
               ) &&
               i + 1 < a.size() && !deadline) {
      const std::optional<std::int64_t> amount = integer(a[i + 1]);
      if (!amount) return c.reply.error(no_integer);
      const bool is_moment = a[i].size() == 4;
      const std::int64_t unit = equal(a[i].substr(0, 1), "E") ? 1000 : 1;
      if (*amount > 0)
        deadline = !is_moment ? after(*amount, unit)
                   : *amount <= std::numeric_limits<std::int64_t>::max() / unit
                       ? std::optional(moment(std::chrono::milliseconds(*amount * unit)))
                       : std::nullopt;
      if (!deadline) return c.reply.error("ERR invalid expire time in 'set' command");
      ++i;
    } else {
      return c.reply.error(syntax_error);
    }
  }
  if ((only_new && only_there) || (keeps_deadline && deadline)) return c.reply.error(syntax_error);

  std::optional<std::string> old;
  if (gives_old) {
    const std::string* text = nullptr;
    if (!find_string(c, a[1], text)) return;
    if (text != nullptr) old = *text;
  }
  const bool is_there = c.data.keys.find(a[1]) != nullptr;
  const bool happens = !(only_new && is_there) && !(only_there && !is_there);
  if (happens) {
    if (keeps_deadline) deadline = c.data.keys.expires_at(a[1]);
    c.data.keys.set(a[1], std::string(a[2]));
    if (deadline) {
      c.data.keys.expire_at(a[1], *deadline);
      log(c, {"SET", a[1], a[2], "PXAT", text_of(*deadline)});
    } else {
      log(c, {"SET", a[1], a[2]});
    }
  }
  if (gives_old) return old ? c.reply.bulk(*old) : c.reply.null();
  happens ? c.reply.simple("OK") : c.reply.null();
}

void mget(client& c, arguments a) {
  c.reply.array(a.size() - 1);
  for (const std::string_view key : a.subspan(1)) {
    const value* const held = c.data.keys.find(key);
    const std::string* text = held != nullptr ? std::get_if<std::string>(held) : nullptr;
    text != nullptr ? c.reply.bulk(*text) : c.reply.null();
  }
}

void mset(client& c, arguments a) {
  if (a.size() % 2 == 0) return c.reply.error("ERR wrong number of arguments for 'mset' command");
  for (std::size_t i = 1; i < a.size(); i += 2) c.data.keys.set(a[i], std::string(a[i + 1]));
  log(c, a);
  c.reply.simple("OK");
}

void add(client& c, std::string_view key, std::int64_t amount) {
  const std::string* text = nullptr;
  if (!find_string(c, key, text)) return;
  const std::optional<std::int64_t> before = text != nullptr ? integer(*text) : 0;
  if (!before) return c.reply.error(no_integer);
  std::int64_t sum = 0;
  if (__builtin_add_overflow(*before, amount, &sum))
    return c.reply.error("ERR increment or decrement would overflow");
  std::get<std::string>(c.data.keys.find_or_make(key)) = std::to_string(sum);
  log(c, {"INCRBY", key, std::to_string(amount)});
  c.reply.integer(sum);
}

void incr(client& c, arguments a) {
  add(c, a[1], 1);
}
void decr(client& c, arguments a) {
  add(c, a[1], -1);
}
void incrby(client& c, arguments a) {
  const std::optional<std::int64_t> amount = integer(a[2]);
  amount ? add(c, a[1], *amount) : c.reply.error(no_integer);
}
void decrby(client& c, arguments a) {
  const std::optional<std::int64_t> amount = integer(a[2]);
  if (!amount) return c.reply.error(no_integer);
  if (*amount == std::numeric_limits<std::int64_t>::min())
    return c.reply.error("ERR decrement would overflow");
  add(c, a[1], -*amount);
}

// Lists
// --------------------------------------------------------------------------------------------

void push(client& c, arguments a, bool in_front) {
  const list* there = nullptr;
  if (!find_list(c, a[1], there)) return;
  value& held = c.data.keys.find_or_make(a[1]);
  list& changed = there != nullptr ? std::get<list>(held) : held.emplace<list>();
  for (const std::string_view text : a.subspan(2))
    in_front ? (void)changed.emplace_front(text) : (void)changed.emplace_back(text);
  log(c, a);
  c.reply.integer(static_cast<std::int64_t>(changed.size()));
}

void lpush(client& c, arguments a) {
  push(c, a, true);
}
void rpush(client& c, arguments a) {
  push(c, a, false);
}

void llen(client& c, arguments a) {
  const list* there = nullptr;
  if (!find_list(c, a[1], there)) return;
  c.reply.integer(there != nullptr ? static_cast<std::int64_t>(there->size()) : 0);
}

void lrange(client& c, arguments a) {
  const std::optional<std::int64_t> from = integer(a[2]);
  const std::optional<std::int64_t> to = integer(a[3]);
  if (!from || !to) return c.reply.error(no_integer);
  const list* there = nullptr;
  if (!find_list(c, a[1], there)) return;
  const std::int64_t size = there != nullptr ? static_cast<std::int64_t>(there->size()) : 0;
  const auto place = [&](std::int64_t index) { return index < 0 ? index + size : index; };
  const std::int64_t first = std::max<std::int64_t>(place(*from), 0);
  const std::int64_t last = std::min(place(*to), size - 1);
  if (first > last) return c.reply.array(0);
  c.reply.array(static_cast<std::size_t>(last - first + 1));
  for (std::int64_t i = first; i <= last; ++i) c.reply.bulk((*there)[static_cast<std::size_t>(i)]);
}

// Keys
// ---------------------------------------------------------------------------------------------

void del(client& c, arguments a) {
  std::int64_t count = 0;
  for (const std::string_view key : a.subspan(1)) count += c.data.keys.erase(key) ? 1 : 0;
  if (count != 0) log(c, a);
  c.reply.integer(count);
}

void exists(client& c, arguments a) {
  std::int64_t count = 0;
  for (const std::string_view key : a.subspan(1)) count += c.data.keys.find(key) != nullptr ? 1 : 0;
  c.reply.integer(count);
}

void expire_at(client& c, std::string_view key, std::optional<moment> when) {
  if (!when) return c.reply.error("ERR invalid expire time in 'expire' command");
  if (!c.data.keys.expire_at(key, *when)) return c.reply.integer(0);
  log(c, {"PEXPIREAT", key, text_of(*when)});
  c.reply.integer(1);
}

void expire(client& c, arguments a) {
  const std::optional<std::int64_t> amount = integer(a[2]);
  amount ? expire_at(c, a[1], after(*amount, 1000)) : c.reply.error(no_integer);
}
void pexpire(client& c, arguments a) {
  const std::optional<std::int64_t> amount = integer(a[2]);
  amount ? expire_at(c, a[1], after(*amount, 1)) : c.reply.error(no_integer);
}
void pexpireat(client& c, arguments a) {
  const std::optional<std::int64_t> when = integer(a[2]);
  when ? expire_at(c, a[1], moment(std::chrono::milliseconds(*when))) : c.reply.error(no_integer);
}

void time_left(client& c, std::string_view key, std::int64_t unit_in_milliseconds) {
  if (c.data.keys.find(key) == nullptr) return c.reply.integer(-2);
  const std::optional<moment> when = c.data.keys.expires_at(key);
  if (!when) return c.reply.integer(-1);
  c.reply.integer(((*when - now()).count() + unit_in_milliseconds / 2) / unit_in_milliseconds);
}

void ttl(client& c, arguments a) {
  time_left(c, a[1], 1000);
}
void pttl(client& c, arguments a) {
  time_left(c, a[1], 1);
}

void type(client& c, arguments a) {
  const value* const held = c.data.keys.find(a[1]);
  c.reply.simple(held == nullptr ? "none" : held->index() == 0 ? "string" : "list");
}

void dbsize(client& c, arguments) {
  c.reply.integer(static_cast<std::int64_t>(c.data.keys.size()));
}

void flushall(client& c, arguments) {
  c.data.keys.clear();
  log(c, {"FLUSHALL"});
  c.reply.simple("OK");
}

// Topics
// -------------------------------------------------------------------------------------------

void publish(client& c, arguments a) {
  c.reply.integer(static_cast<std::int64_t>(c.data.published.publish(a[1], a[2])));
}

void tell_subscription(client& c, std::string_view what, std::optional<std::string_view> topic) {
  c.reply.push(3);
  c.reply.bulk(what);
  topic ? c.reply.bulk(*topic) : c.reply.null();
  c.reply.integer(c.listening ? static_cast<std::int64_t>(c.listening->size()) : 0);
}

void subscribe(client& c, arguments a) {
  if (c.stream == nullptr) return;
  if (!c.listening)
    c.listening = std::make_unique<subscriptions>(
        c.data.published, *c.stream, c.reply.is_version_3, c.data.longest_stall
    );
  for (const std::string_view topic : a.subspan(1)) {
    c.listening->add(topic);
    tell_subscription(c, "subscribe", topic);
  }
}

void unsubscribe(client& c, arguments a) {
  if (a.size() == 1 && (!c.listening || c.listening->size() == 0))
    return tell_subscription(c, "unsubscribe", std::nullopt);
  for (const std::string_view topic : a.subspan(1)) {
    if (c.listening) c.listening->remove(topic);
    tell_subscription(c, "unsubscribe", topic);
  }
  while (a.size() == 1 && c.listening->size() != 0) {
    const std::string topic = c.listening->first();
    c.listening->remove(topic);
    tell_subscription(c, "unsubscribe", topic);
  }
}

// The connection and the server
// ------------------------------------------------------------------------

void ping(client& c, arguments a) {
  if (a.size() > 2) return c.reply.error("ERR wrong number of arguments for 'ping' command");
  if (c.listening && c.listening->size() != 0 && !c.reply.is_version_3) {
    c.reply.array(2);
    c.reply.bulk("pong");
    c.reply.bulk(a.size() == 2 ? a[1] : "");
  } else if (a.size() == 2) {
    c.reply.bulk(a[1]);
  } else {
    c.reply.simple("PONG");
  }
}

void echo(client& c, arguments a) {
  c.reply.bulk(a[1]);
}

void quit(client& c, arguments) {
  c.wants_to_leave = true;
  c.reply.simple("OK");
}

void hello(client& c, arguments a) {
  if (a.size() > 1) {
    const std::optional<std::int64_t> version = integer(a[1]);
    if (!version || *version < 2 || *version > 3)
      return c.reply.error("NOPROTO unsupported protocol version");
    for (std::size_t i = 2; i < a.size(); i += 2) {
      if (equal(a[i], "AUTH")) return c.reply.error("ERR there are no users and passwords here");
      // A name is taken and forgotten, as with CLIENT SETNAME.
      if (!equal(a[i], "SETNAME") || i + 1 == a.size())
        return c.reply.error(
            "ERR Syntax error in HELLO option '" + std::string(a[i].substr(0, 64)) + "'"
        );
    }
    c.reply.is_version_3 = *version == 3;
  }
  c.reply.map(4);
  c.reply.bulk("server");
  c.reply.bulk("stackless-kv");
  c.reply.bulk("version");
  c.reply.bulk("7.0.0");
  c.reply.bulk("proto");
  c.reply.integer(c.reply.is_version_3 ? 3 : 2);
  c.reply.bulk("mode");
  c.reply.bulk("standalone");
}

void select(client& c, arguments a) {
  a[1] == "0" ? c.reply.simple("OK") : c.reply.error("ERR DB index is out of range");
}

void say_ok(client& c, arguments) {
  c.reply.simple("OK");
}

/// redis-benchmark asks for these two.
void config(client& c, arguments a) {
  if (a.size() < 3 || !equal(a[1], "GET"))
    return c.reply.error("ERR only CONFIG GET is known here");
  const bool is_known = a[2] == "save" || a[2] == "appendonly";
  c.reply.map(is_known ? 1 : 0);
  if (!is_known) return;
  c.reply.bulk(a[2]);
  c.reply.bulk(a[2] == "save" ? "" : c.data.log != nullptr ? "yes" : "no");
}

void command(client& c, arguments) {
  c.reply.array(0);
}

void bgrewriteaof(client& c, arguments) {
  if (c.data.log == nullptr) return c.reply.error("ERR there is no append-only file");
  if (!c.data.log->request_rewrite())
    return c.reply.error("ERR Background append only file rewriting already in progress");
  c.reply.simple("Background append only file rewriting started");
}

void info(client& c, arguments) {
  const sl::scheduler_statistics numbers = sl::statistics();
  const auto up = std::chrono::steady_clock::now() - c.data.started;
  std::string text;
  const auto line = [&](std::string_view name, const auto& value) {
    text += name;
    text += ':';
    if constexpr (std::is_arithmetic_v<std::remove_cvref_t<decltype(value)>>) {
      text += std::to_string(value);
    } else {
      text += value;
    }
    text += "\r\n";
  };
  text += "# Server\r\n";
  line("redis_version", "7.0.0");
  line("server", "stackless-kv");
  line("io_backend", numbers.io_backend + " (" + numbers.io_backend_reason + ")");
  line("io_operations", numbers.io_operations);
  line("tasklets", numbers.alive);
  line("uptime_in_seconds", std::chrono::duration_cast<std::chrono::seconds>(up).count());
  text += "\r\n# Clients\r\n";
  line("connected_clients", c.data.clients);
  text += "\r\n# Persistence\r\n";
  line("aof_enabled", c.data.log != nullptr ? 1 : 0);
  if (c.data.log != nullptr) {
    line("aof_current_size", c.data.log->size());
    line("aof_last_write_status", c.data.log->problem() ? c.data.log->problem().message() : "ok");
    line("aof_base_size", c.data.log->base_size());
    line("aof_rewrites", c.data.log->rewrites());
    line("aof_rewrite_in_progress", c.data.log->is_rewriting() ? 1 : 0);
    line("aof_last_bgrewrite_status", c.data.log->last_rewrite_failed() ? "err" : "ok");
  }
  text += "\r\n# Stats\r\n";
  line("total_connections_received", c.data.connections);
  line("total_commands_processed", c.data.commands);
  line("pubsub_channels", c.data.published.size());
  text += "\r\n# Keyspace\r\n";
  if (c.data.keys.size() != 0)
    line(
        "db0", "keys=" + std::to_string(c.data.keys.size()) +
                   ",expires=" + std::to_string(c.data.keys.expiring())
    );
  c.reply.bulk(text);
}

// The table
// ----------------------------------------------------------------------------------------

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
