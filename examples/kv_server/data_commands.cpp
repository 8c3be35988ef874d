#include "command_functions.hpp"

#include <chrono>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <utility>

namespace kv {

namespace {

constexpr std::string_view wrong_type =
    "WRONGTYPE Operation against a key holding the wrong kind of value";
constexpr std::string_view syntax_error = "ERR syntax error";

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

void expire_at(client& c, std::string_view key, std::optional<moment> when) {
  if (!when) return c.reply.error("ERR invalid expire time in 'expire' command");
  if (!c.data.keys.expire_at(key, *when)) return c.reply.integer(0);
  log(c, {"PEXPIREAT", key, text_of(*when)});
  c.reply.integer(1);
}

void time_left(client& c, std::string_view key, std::int64_t unit_in_milliseconds) {
  if (c.data.keys.find(key) == nullptr) return c.reply.integer(-2);
  const std::optional<moment> when = c.data.keys.expires_at(key);
  if (!when) return c.reply.integer(-1);
  c.reply.integer(((*when - now()).count() + unit_in_milliseconds / 2) / unit_in_milliseconds);
}

}  // namespace

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

}  // namespace kv
