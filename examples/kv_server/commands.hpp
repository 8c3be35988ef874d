#pragma once

#include "append_log.hpp"
#include "resp.hpp"
#include "store.hpp"
#include "topics.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

namespace kv {

/// What all clients share.
struct database {
  explicit database(std::function<void(std::string_view)> on_expiry) : keys(std::move(on_expiry)) {}

  store keys;
  topics published;
  append_log* log = nullptr;  ///< null: nothing is kept, or it is being replayed
  std::size_t clients = 0;
  std::uint64_t connections = 0;
  std::uint64_t commands = 0;
  std::chrono::seconds longest_stall{30};  ///< of replies and messages that are not read
  std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
};

/// What a command sees of the client that sent it.
struct client {
  client(database& shared, stackless::io::tcp_stream* connection)
      : data(shared), stream(connection) {}

  database& data;
  stackless::io::tcp_stream* stream;  ///< null while the log is replayed
  reply_writer reply;
  std::unique_ptr<subscriptions> listening;
  bool has_changed_data = false;  ///< since its replies were last written
  bool wants_to_leave = false;
};

/// Runs one request. Whatever is wrong with it is said in the reply.
void execute(client& of, std::span<const std::string_view> request);

}  // namespace kv
