#include "topics.hpp"

#include <cstdio>
#include <exception>
#include <optional>
#include <utility>

#include <sys/socket.h>

namespace sl = stackless;

namespace kv {

std::size_t topics::publish(std::string_view topic, std::string_view text) {
  const auto at = topics_.find(topic);
  if (at == topics_.end()) return 0;
  return at->second.send(std::make_shared<const std::string>(text));
}

sl::broadcast_receiver<message> topics::subscribe(std::string_view topic) {
  auto at = topics_.find(topic);
  if (at == topics_.end())
    at = topics_.emplace(std::string(topic), sl::broadcast<message>(most_behind)).first;
  return at->second.subscribe();
}

void topics::drop_if_unheard(std::string_view topic) {
  const auto at = topics_.find(topic);
  if (at != topics_.end() && at->second.receivers() == 0) topics_.erase(at);
}

void subscriptions::add(std::string_view topic) {
  if (current_.contains(topic)) return;
  const auto made = std::make_shared<subscription>();
  current_.emplace(topic, made);
  made->tasklet = sl::spawn_daemon(
      "subscription", [this](auto... arguments) { return forward(std::move(arguments)...); },
      std::string(topic), all_.subscribe(topic), made
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
    topics& all;
    const std::string& topic;
    sl::broadcast_receiver<message> messages;
    ~leave() {
      {
        const auto gone = std::move(messages);
      }
      all.drop_if_unheard(topic);
    }
  } at_end{all_, topic, std::move(messages)};

  reply_writer reply;
  reply.is_version_3 = is_version_3_;
  try {
    while (mine->is_wanted) {
      const std::optional<message> next = co_await at_end.messages.next();
      if (!next) co_return;
      reply.bytes.clear();
      reply.push(3);
      reply.bulk("message");
      reply.bulk(topic);
      reply.bulk(**next);
      const sl::mutex_guard lock = co_await writing.lock();
      if (!mine->is_wanted) co_return;
      mine->is_writing = true;
      co_await stream_.write_all(reply.bytes);
      mine->is_writing = false;
    }
  } catch (const std::exception& error) {  // it is too far behind, or has gone
    std::fprintf(stderr, "a subscriber of \"%s\": %s\n", topic.c_str(), error.what());
    if (stream_.is_open()) ::shutdown(stream_.descriptor(), SHUT_RDWR);  // its session ends by that
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
