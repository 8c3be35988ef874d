#include "command_functions.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>

namespace sl = stackless;

namespace kv {

namespace {

void tell_subscription(client& c, std::string_view what, std::optional<std::string_view> topic) {
  c.reply.push(3);
  c.reply.bulk(what);
  topic ? c.reply.bulk(*topic) : c.reply.null();
  c.reply.integer(c.listening ? static_cast<std::int64_t>(c.listening->size()) : 0);
}

}  // namespace

// Topics
// -------------------------------------------------------------------------------------------

void publish(client& c, arguments a) {
  c.reply.integer(static_cast<std::int64_t>(c.data.published.publish(a[1], a[2])));
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
  const auto line = [&](std::string_view name, const auto& content) {
    text += name;
    text += ':';
    if constexpr (std::is_arithmetic_v<std::remove_cvref_t<decltype(content)>>) {
      text += std::to_string(content);
    } else {
      text += content;
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

}  // namespace kv
