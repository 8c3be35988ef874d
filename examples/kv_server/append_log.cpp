#include "append_log.hpp"

#include "log_rewrite.hpp"
#include "resp.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

namespace sl = stackless;

namespace kv {

using namespace std::chrono_literals;

namespace {

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// Followed as far as it leads; what is there must be open.
std::string place_of(const std::string& path) {
  std::error_code error;
  const std::filesystem::path place = std::filesystem::canonical(path, error);
  return error ? path : place.string();
}

}  // namespace

append_log::append_log(std::string path, sync_policy policy, rewrite_policy rewriting)
    : path_(std::move(path)), policy_(policy), rewriting_(rewriting) {}

sl::task<std::uint64_t> append_log::load(
    std::function<void(std::span<const std::string_view>)> apply
) {
  co_await open_locked();
  std::error_code none;  // a rewrite that was interrupted: the log is still the old one
  co_await sl::io::remove_file(log_rewrite::path_beside(place_), none);
  std::vector<char> buffer(1 << 20);
  std::size_t filled = 0;
  std::size_t begin = 0;
  std::uint64_t count = 0;
  std::uint64_t read = 0;
  request_parser parser(request_parser::largest_logged);
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
      const bool is_array = bytes.front() == '*';
      if (progress == request_parser::progress::malformed || !is_array)
        throw std::runtime_error(
            path_ + " is damaged at byte " + std::to_string(end_) + ": " +
            (is_array ? parser.problem() : "a record does not begin with '*'")
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
  if (end_ != read) co_await keep_damaged(read);
  synced_ = base_size_ = grown_from_ = end_;
  co_return count;
}

/// Before anything is read or cut: of two servers each would take the other's writes for damage.
sl::task<> append_log::open_locked() {
  for (;;) {
    file_ = co_await sl::io::open(path_, sl::io::open_mode::open_or_create, 0600);
    place_ = place_of(path_);
    if (!lock_file(file_)) throw std::runtime_error(path_ + " is in use by another server");
    // Its server may have put a rewritten one in its place, and gone, since it was opened.
    const sl::io::file_status mine = co_await file_.status();
    std::error_code error;
    const sl::io::file_status there = co_await sl::io::status(place_, error);
    if (!error && mine.device == there.device && mine.inode == there.inode) co_return;
    co_await file_.close();
  }
}

/// Moves what is between `end_` and `end` to a file of its own.
sl::task<> append_log::keep_damaged(std::uint64_t end) {
  const std::string kept = place_ + ".damaged-" + std::to_string(now().time_since_epoch().count());
  sl::io::file beside = co_await sl::io::open(kept, sl::io::open_mode::create_new, 0600);
  std::vector<char> buffer(std::min<std::uint64_t>(end - end_, 1 << 20));
  for (std::uint64_t at = end_; at < end;) {
    const std::size_t size = std::min<std::uint64_t>(end - at, buffer.size());
    co_await file_.read_exactly_at(at, sl::io::mutable_bytes(buffer.data(), size));
    co_await beside.write_all_at(at - end_, sl::io::const_bytes(buffer.data(), size));
    at += size;
  }
  co_await beside.sync_data();
  co_await beside.close();
  co_await sl::io::sync_directory(directory_of(place_));
  std::fprintf(
      stderr,
      "%s: the last %llu bytes, from byte %llu on, are the beginning of a request; they are moved "
      "to %s\n",
      path_.c_str(), static_cast<unsigned long long>(end - end_),
      static_cast<unsigned long long>(end_), kept.c_str()
  );
  file_.truncate(end_);
  co_await file_.sync_data();
}

void append_log::append(std::span<const std::string_view> request) {
  write_request(pending_, request);
  has_pending_.set();
}

sl::task<> append_log::commit() {
  if (pending_.empty() && !is_writing_ && !problem_) co_return;
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
    std::string bytes;
    std::shared_ptr<batch> writing;
    std::error_code error;
    {
      // First the lock: who has it finds every change either in the file or in `pending_`.
      const sl::mutex_guard lock = co_await writing_.lock();
      bytes = std::exchange(pending_, {});
      writing = std::exchange(filling_, std::make_shared<batch>());
      is_writing_ = true;
      error = co_await write(bytes);
      is_writing_ = false;
    }
    if (error && error != problem_)
      std::fprintf(
          stderr, "%s: %s; no changes are taken\n", path_.c_str(), error.message().c_str()
      );
    if (!error && problem_) std::fprintf(stderr, "%s: can be written again\n", path_.c_str());
    if (!is_rewriting_ && has_grown()) wants_rewrite_.set();
    problem_ = writing->error = error;
    writing->done.set();
    if (error) {
      pending_.insert(0, bytes);
      has_pending_.set();
      co_await sl::sleep_for(1s);
    } else if (pending_.empty() && bytes.capacity() <= most_kept) {
      bytes.clear();
      pending_ = std::move(bytes);  // its room is used again
    }
  }
}

sl::task<> append_log::sync_every_second() {
  for (;;) {
    co_await sl::sleep_for(1s);
    const std::uint64_t end = end_;
    const std::uint64_t rewrites = rewrites_;
    if (end == synced_) continue;
    std::error_code error;
    co_await file_.sync_data(error);
    if (rewrites != rewrites_) continue;  // it was the old file, and the new one is synced
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
  const sl::mutex_guard lock = co_await writing_.lock();  // not in the middle of a replacement
  co_await file_.sync_data();
  co_await file_.close();
}

// Rewriting
// ----------------------------------------------------------------------------------------

bool append_log::has_grown() const noexcept {
  return rewriting_.growth != 0 && end_ >= rewriting_.smallest && end_ > grown_from_ &&
         (end_ - grown_from_) >= grown_from_ / 100 * rewriting_.growth;
}

bool append_log::request_rewrite() {
  if (is_rewriting_ || wants_rewrite_.is_set()) return false;
  wants_rewrite_.set();
  return true;
}

sl::task<> append_log::rewrite_when_wanted(store& keys) {
  for (;;) {
    co_await wants_rewrite_.wait();
    is_rewriting_ = true;
    wants_rewrite_.reset();
    const std::uint64_t before = end_;
    log_rewrite fresh;
    std::string failure;
    try {
      co_await fresh.open(place_, file_);
      co_await rewrite(keys, fresh);
    } catch (const std::system_error& error) {
      failure = error.what();
    }
    is_rewriting_ = false;
    rewrite_failed_ = !failure.empty();
    if (rewrite_failed_) {
      std::fprintf(stderr, "%s: not rewritten: %s\n", path_.c_str(), failure.c_str());
      grown_from_ = end_;  // again when there is reason to
      co_await fresh.remove();
    } else {
      std::fprintf(
          stderr, "%s: rewritten, %llu bytes were %llu\n", path_.c_str(),
          static_cast<unsigned long long>(end_), static_cast<unsigned long long>(before)
      );
    }
  }
}

sl::task<> append_log::rewrite(store& keys, log_rewrite& fresh) {
  std::uint64_t copied = co_await write_keys(keys, fresh);
  // What has been changed since is in the log behind this place. Most of it is copied and synced
  // while others write; the rest is little.
  if (copied < end_) {
    const std::uint64_t end = end_;
    co_await fresh.copy(file_, copied, end);
    copied = end;
  }
  co_await fresh.sync();
  for (;;) {
    bool is_done = false;
    const auto body = [&]() -> sl::task<> { is_done = co_await take_place(fresh, copied); };
    co_await sl::shield(body);
    if (is_done) co_return;
    co_await commit();
  }
}

/// Where the log will go on with what comes after these keys.
sl::task<std::uint64_t> append_log::write_keys(store& keys, log_rewrite& fresh) {
  constexpr std::size_t keys_at_once = 100;  // between turns of the clients
  struct ending {
    store& keys;
    explicit ending(store& of) : keys(of) {}
    ending(const ending&) = delete;
    ending& operator=(const ending&) = delete;
    ~ending() { keys.end_snapshot(); }
  };
  std::uint64_t position = 0;
  std::optional<ending> snapshot;
  {
    const sl::mutex_guard lock = co_await writing_.lock();
    position = end_ + pending_.size();
    keys.begin_snapshot([&fresh](std::string_view key, const value& held, auto expires) {
      fresh.add(key, held, expires);
    });
    snapshot.emplace(keys);
  }
  while (keys.continue_snapshot(keys_at_once)) {
    if (fresh.should_flush()) co_await fresh.flush();
    co_await sl::yield();
  }
  snapshot.reset();
  co_await fresh.flush();
  co_return position;
}

/// False: changes that the new one has already are still to be written to the old one.
sl::task<bool> append_log::take_place(log_rewrite& fresh, std::uint64_t& copied) {
  const sl::mutex_guard lock = co_await writing_.lock();
  if (!file_.is_open()) co_return true;  // the server ends: the old one is whole
  if (end_ < copied) co_return false;
  co_await fresh.copy(file_, copied, end_);
  copied = end_;
  co_await fresh.sync();
  co_await sl::io::rename(fresh.path(), place_);
  sl::io::file old = std::exchange(file_, fresh.take_file());
  end_ = synced_ = base_size_ = grown_from_ = fresh.size();
  ++rewrites_;
  // Before anything is acknowledged that only the new one has.
  std::error_code error;
  co_await sl::io::sync_directory(directory_of(place_), error);
  if (error) std::fprintf(stderr, "%s: %s\n", path_.c_str(), error.message().c_str());
  co_await old.close(error);
  co_return true;
}

}  // namespace kv
