#include "log_rewrite.hpp"

#include "resp.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include <sys/file.h>

namespace sl = stackless;

namespace kv {

bool lock_file(const sl::io::file& file) noexcept {
  return ::flock(file.descriptor(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

sl::task<> log_rewrite::open(const std::string& log, sl::io::file& old) {
  path_ = path_beside(log);
  std::error_code ignored;
  co_await sl::io::remove_file(path_, ignored);
  file_ = co_await sl::io::open(path_, sl::io::open_mode::create_new, 0600);
  if (!lock_file(file_)) throw std::system_error(EWOULDBLOCK, std::generic_category(), path_);
  const sl::io::file_status like = co_await old.status();
  co_await file_.set_permissions(like.permissions);
}

void log_rewrite::add(std::string_view key, const value& held, std::optional<moment> expires) {
  if (const std::string* const text = std::get_if<std::string>(&held)) {
    const std::array<std::string_view, 3> request{"SET", key, *text};
    write_request(pending_, request);
  } else {
    // One element was accepted together with the key, however long both are; more than one only as
    // long as they are short.
    constexpr std::size_t most_elements = 1000;
    constexpr std::size_t most_bytes = 1024 * 1024;
    std::vector<std::string_view> request{"RPUSH", key};
    std::size_t bytes = 0;
    for (const std::string& element : std::get<list>(held)) {
      const bool is_full = request.size() >= most_elements || bytes + element.size() > most_bytes;
      if (is_full && request.size() > 2) {
        write_request(pending_, request);
        request.resize(2);
        bytes = 0;
      }
      request.push_back(element);
      bytes += element.size();
    }
    if (request.size() > 2) write_request(pending_, request);
  }
  if (expires) {
    const std::string when = std::to_string(expires->time_since_epoch().count());
    const std::array<std::string_view, 3> request{"PEXPIREAT", key, when};
    write_request(pending_, request);
  }
}

sl::task<> log_rewrite::flush() {
  // What is changed meanwhile is added behind.
  const std::string bytes = std::exchange(pending_, {});
  co_await file_.write_all_at(end_, bytes);
  end_ += bytes.size();
}

sl::task<> log_rewrite::copy(sl::io::file& from, std::uint64_t begin, std::uint64_t end) {
  std::vector<char> buffer(std::min<std::uint64_t>(end - begin, enough_to_write));
  while (begin < end) {
    const std::size_t size = std::min<std::uint64_t>(end - begin, buffer.size());
    co_await from.read_exactly_at(begin, sl::io::mutable_bytes(buffer.data(), size));
    co_await file_.write_all_at(end_, sl::io::const_bytes(buffer.data(), size));
    begin += size;
    end_ += size;
  }
}

sl::task<> log_rewrite::sync() {
  co_await file_.sync_data();
}

sl::task<> log_rewrite::remove() {
  std::error_code ignored;
  co_await sl::io::remove_file(path_, ignored);
  co_await file_.close(ignored);
}

}  // namespace kv
