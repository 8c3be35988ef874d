#pragma once

// SUBSCRIBE and PUBLISH.

#include <stackless/io/io.hpp>
#include <stackless/stackless.hpp>

#include "resp.hpp"

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace kv {

using message = std::shared_ptr<const std::string>;

/// The channels that somebody listens to.
class topics {
 public:
  /// How many get it.
  std::size_t publish(std::string_view topic, std::string_view text);
  [[nodiscard]] stackless::broadcast_receiver<message> subscribe(std::string_view topic);
  /// After a subscriber has gone.
  void drop_if_unheard(std::string_view topic);
  [[nodiscard]] std::size_t size() const noexcept { return topics_.size(); }

 private:
  static constexpr std::size_t most_behind = 4096;

  std::map<std::string, stackless::broadcast<message>, std::less<>> topics_;
};

/// What one client listens to. A tasklet for each topic writes what comes to the connection; one
/// that is too slow loses the connection, not the others their messages.
class subscriptions {
 public:
  subscriptions(topics& all, stackless::io::tcp_stream& stream, bool is_version_3)
      : all_(all), stream_(stream), is_version_3_(is_version_3) {}
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
  };

  stackless::task<> forward(
      std::string topic,
      stackless::broadcast_receiver<message> messages,
      std::shared_ptr<subscription> mine
  );

  topics& all_;
  stackless::io::tcp_stream& stream_;
  bool is_version_3_;
  std::map<std::string, std::shared_ptr<subscription>, std::less<>> current_;
  std::vector<stackless::any_tasklet> leaving_;
};

}  // namespace kv
