#pragma once

// SUBSCRIBE and PUBLISH.

#include <stackless/io/io.hpp>
#include <stackless/stackless.hpp>

#include "resp.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kv {

using message = std::shared_ptr<const std::string>;

/// What one client has not got yet, of all its topics together. At `most_waiting` bytes its
/// connection ends, and with it what is kept for it.
class backlog {
 public:
  static constexpr std::size_t most_waiting = 32 * 1024 * 1024;

  explicit backlog(stackless::io::tcp_stream& stream) : stream_(stream) {}

  void add(std::size_t bytes);
  void remove(std::size_t bytes) noexcept { waiting_ -= bytes; }
  /// Why its connection is to end is said once.
  void cut_off(std::string_view reason);

 private:
  stackless::io::tcp_stream& stream_;
  std::size_t waiting_ = 0;
  bool is_cut_off_ = false;
};

class topics;

/// One topic's part of it, which the topic knows as long as it is there.
struct listener {
  listener(topics& of, std::string_view name, backlog& part_of);
  listener(const listener&) = delete;
  listener& operator=(const listener&) = delete;
  ~listener();

  topics& published;
  std::string topic;
  backlog& all;
  std::size_t waiting = 0;
};

/// The channels that somebody listens to.
class topics {
 public:
  /// How many get it.
  std::size_t publish(std::string_view topic, std::string_view text);
  /// `who` stays where it is until it `leaves`.
  [[nodiscard]] stackless::broadcast_receiver<message> subscribe(listener& who);
  /// After its receiver has gone.
  void leave(listener& who);
  [[nodiscard]] std::size_t size() const noexcept { return topics_.size(); }

 private:
  static constexpr std::size_t most_behind = 4096;

  struct topic_state {
    stackless::broadcast<message> messages{most_behind};
    std::vector<listener*> listeners;
  };
  std::map<std::string, topic_state, std::less<>> topics_;
};

/// What one client listens to. A tasklet for each topic writes what comes to the connection; one
/// that is too slow loses the connection, not the others their messages.
class subscriptions {
 public:
  /// `longest_stall`: of one message that is not read.
  subscriptions(
      topics& all,
      stackless::io::tcp_stream& stream,
      bool is_version_3,
      std::chrono::seconds longest_stall
  )
      : all_(all),
        stream_(stream),
        is_version_3_(is_version_3),
        longest_stall_(longest_stall),
        behind_(stream) {}
  subscriptions(const subscriptions&) = delete;
  subscriptions& operator=(const subscriptions&) = delete;

  void add(std::string_view topic);
  void remove(std::string_view topic);
  [[nodiscard]] std::size_t size() const noexcept { return current_.size(); }
  /// Any of them; there is one.
  [[nodiscard]] std::string first() const { return current_.begin()->first; }

  /// Who writes to the connection holds it.
  stackless::mutex writing{"writing to a subscriber"};

  /// Ends all.
  stackless::task<> close();

 private:
  struct subscription {
    bool is_wanted = true;
    bool is_writing = false;
    stackless::any_tasklet tasklet;
    std::optional<listener> part;
  };

  stackless::task<> forward(
      std::string topic,
      stackless::broadcast_receiver<message> messages,
      std::shared_ptr<subscription> mine
  );

  topics& all_;
  stackless::io::tcp_stream& stream_;
  bool is_version_3_;
  std::chrono::seconds longest_stall_;
  backlog behind_;
  std::map<std::string, std::shared_ptr<subscription>, std::less<>> current_;
  std::vector<stackless::any_tasklet> leaving_;
};

}  // namespace kv
