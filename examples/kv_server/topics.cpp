#include "topics.hpp"

#include <cstdio>
#include <exception>
#include <optional>
#include <utility>

#include <sys/socket.h>

namespace sl = stackless;

namespace kv {

void backlog::add(std::size_t bytes) {
  waiting_ += bytes;
  if (waiting_ > most_waiting) cut_off("too many bytes behind");
}

void backlog::cut_off(std::string_view reason) {
  if (std::exchange(is_cut_off_, true)) return;
  std::fprintf(
      stderr, "a subscriber is cut off: %.*s\n", static_cast<int>(reason.size()), reason.data()
  );
  // Whoever reads or writes at the connection ends by that: its session, and its subscriptions.
  if (stream_.is_open()) ::shutdown(stream_.descriptor(), SHUT_RDWR);
}

std::size_t topics::publish(std::string_view topic, std::string_view text) {
  const auto at = topics_.find(topic);
  if (at == topics_.end()) return 0;
  const std::size_t count = at->second.messages.send(std::make_shared<const std::string>(text));
  for (listener* const each : at->second.listeners) {
    each->waiting += text.size();
    each->all.add(text.size());
  }
  return count;
}

listener::listener(topics& of, std::string_view name, backlog& part_of)
    : published(of), topic(name), all(part_of) {}

listener::~listener() {
  all.remove(waiting);
  published.leave(*this);
}

sl::broadcast_receiver<message> topics::subscribe(listener& who) {
  const auto at = topics_.try_emplace(who.topic).first;
  at->second.listeners.push_back(&who);
  return at->second.messages.subscribe();
}

void topics::leave(listener& who) {
  const auto at = topics_.find(who.topic);
  if (at == topics_.end()) return;
  std::erase(at->second.listeners, &who);
  if (at->second.messages.receivers() == 0) topics_.erase(at);
}

void subscriptions::add(std::string_view topic) {
  if (current_.contains(topic)) return;
  const auto made = std::make_shared<subscription>();
  current_.emplace(topic, made);
  made->tasklet = sl::spawn_daemon(
      "subscription", [this](auto... arguments) { return forward(std::move(arguments)...); },
      std::string(topic), all_.subscribe(made->part.emplace(all_, topic, behind_)), made
  );
}

void subscriptions::remove(std::string_view topic) {
  const auto at = current_.find(topic);
  if (at == current_.end()) return;
  subscription& leaving = *at->second;
  leaving.is_wanted = false;
  // In the middle of a write half a message would be left; it goes by itself then.
  if (!leaving.is_writing) leaving.tasklet.kill_pending();
  std::erase_if(leaving_, [](const auto& t) { return !t.alive(); });
  leaving_.push_back(leaving.tasklet);
  current_.erase(at);
}

sl::task<> subscriptions::forward(
    std::string topic, sl::broadcast_receiver<message> messages, std::shared_ptr<subscription> mine
) {
  struct leave {
    subscription& mine;
    sl::broadcast_receiver<message> messages;
    ~leave() {
      {
        const auto gone = std::move(messages);
      }
      mine.part.reset();
    }
  } at_end{*mine, std::move(messages)};

  reply_writer reply;
  reply.is_version_3 = is_version_3_;
  try {
    while (mine->is_wanted) {
      const std::optional<message> next = co_await at_end.messages.next();
      if (!next) co_return;
      mine->part->waiting -= (*next)->size();
      behind_.remove((*next)->size());
      reply.bytes.clear();
      reply.push(3);
      reply.bulk("message");
      reply.bulk(topic);
      reply.bulk(**next);
      const sl::mutex_guard lock = co_await writing.lock();
      if (!mine->is_wanted) co_return;
      mine->is_writing = true;
      const auto body = [&]() -> sl::task<> { co_await stream_.write_all(reply.bytes); };
      co_await sl::fail_after(longest_stall_, body);
      mine->is_writing = false;
    }
  } catch (const std::exception& error) {  // it is too far behind, or does not read, or has gone
    behind_.cut_off("\"" + topic + "\": " + error.what());
  }
}

sl::task<> subscriptions::close() {
  for (auto& [topic, mine] : current_) {
    mine->tasklet.kill_pending();
    leaving_.push_back(mine->tasklet);
  }
  current_.clear();
  for (const sl::any_tasklet& t : leaving_) {
    try {
      co_await t.join();
    } catch (const sl::tasklet_killed&) {  // as was asked for
    }
  }
}

}  // namespace kv
