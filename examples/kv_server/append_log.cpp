#include "append_log.hpp"

#include "resp.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <utility>
#include <vector>

namespace sl = stackless;

namespace kv {

using namespace std::chrono_literals;

append_log::append_log(std::string path, sync_policy policy)
    : path_(std::move(path)), policy_(policy) {}

sl::task<std::uint64_t> append_log::load(
    std::function<void(std::span<const std::string_view>)> apply
) {
  file_ = co_await sl::io::open(path_, sl::io::open_mode::open_or_create, 0600);
  std::vector<char> buffer(1 << 20);
  std::size_t filled = 0;
  std::size_t begin = 0;
  std::uint64_t count = 0;
  std::uint64_t read = 0;
  request_parser parser;
  for (;;) {
    const std::size_t n = co_await file_.read_some_at(
        read, sl::io::mutable_bytes(buffer.data() + filled, buffer.size() - filled)
    );
    if (n == 0) break;
    read += n;
    filled += n;
    for (;;) {
      const std::string_view bytes(buffer.data() + begin, filled - begin);
      const auto progress = parser.parse(bytes);
      if (progress == request_parser::progress::incomplete) break;
      if (progress == request_parser::progress::malformed || bytes.front() != '*')
        throw std::runtime_error(
            path_ + " is damaged at byte " + std::to_string(end_) + ": " + parser.problem()
        );
      apply(parser.arguments(bytes));
      ++count;
      end_ += parser.size();
      begin += parser.size();
      parser.reset();
    }
    buffer.erase(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(begin));
    filled -= begin;
    begin = 0;
    buffer.resize(std::max(buffer.size(), filled + (1 << 20)));
  }
  if (end_ != read) {
    std::fprintf(
        stderr, "%s: the last %llu bytes are the beginning of a request, and are removed\n",
        path_.c_str(), static_cast<unsigned long long>(read - end_)
    );
    file_.truncate(end_);
    co_await file_.sync_data();
  }
  synced_ = end_;
  co_return count;
}

void append_log::append(std::span<const std::string_view> request) {
  write_request(pending_, request);
  has_pending_.set();
}

sl::task<> append_log::commit() {
  if (pending_.empty() && !problem_ && end_ == synced_) co_return;
  const std::shared_ptr<batch> mine = filling_;
  has_pending_.set();  // also for what is being written just now: it comes before
  co_await mine->done.wait();
  if (mine->error) throw std::system_error(mine->error, path_);
}

sl::task<std::error_code> append_log::write(std::string_view bytes) {
  std::error_code error;
  try {
    if (bytes.empty()) co_return error;
    co_await file_.write_all_at(end_, bytes);
    if (policy_ == sync_policy::always) co_await file_.sync_data();
  } catch (const std::system_error& failure) {
    error = failure.code();
  }
  if (error) {
    std::error_code
        ignored;  // what is behind the end is written again, or cut off by the next load
    file_.truncate(end_, ignored);
    co_return error;
  }
  end_ += bytes.size();
  if (policy_ == sync_policy::always) synced_ = end_;
  co_return error;
}

sl::task<> append_log::write_pending() {
  for (;;) {
    co_await has_pending_.wait();
    has_pending_.reset();
    std::string bytes = std::exchange(pending_, {});
    const std::shared_ptr<batch> writing = std::exchange(filling_, std::make_shared<batch>());
    const std::error_code error = co_await write(bytes);
    if (error && error != problem_)
      std::fprintf(
          stderr, "%s: %s; no changes are taken\n", path_.c_str(), error.message().c_str()
      );
    if (!error && problem_) std::fprintf(stderr, "%s: can be written again\n", path_.c_str());
    problem_ = writing->error = error;
    writing->done.set();
    if (error) {
      pending_.insert(0, bytes);
      has_pending_.set();
      co_await sl::sleep_for(1s);
    } else if (pending_.empty() && bytes.capacity() <= most_pending) {
      bytes.clear();
      pending_ = std::move(bytes);  // its room is used again
    }
  }
}

sl::task<> append_log::sync_every_second() {
  for (;;) {
    co_await sl::sleep_for(1s);
    const std::uint64_t end = end_;
    if (end == synced_) continue;
    std::error_code error;
    co_await file_.sync_data(error);
    if (error) {
      std::fprintf(stderr, "%s: %s\n", path_.c_str(), error.message().c_str());
    } else {
      synced_ = end;
    }
  }
}

sl::task<> append_log::run() {
  if (policy_ != sync_policy::every_second) {
    co_await write_pending();
    co_return;
  }
  co_await sl::with_nursery([this](sl::nursery& n) -> sl::task<> {
    n.spawn("log writer", [this]() -> sl::task<> { return write_pending(); });
    n.spawn("log sync", [this]() -> sl::task<> { return sync_every_second(); });
    co_return;
  });
}

sl::task<> append_log::close() {
  if (!file_.is_open()) co_return;
  if (!pending_.empty() || policy_ == sync_policy::always) co_await commit();
  co_await file_.sync_data();
  co_await file_.close();
}

}  // namespace kv
