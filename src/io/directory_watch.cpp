#include <stackless/io/descriptor.hpp>
#include <stackless/io/directory_watch.hpp>

#include "failure.hpp"
#include "resource.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <unistd.h>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

/// The paths of what a watch watches, by their numbers.
class watched_directories {
 public:
  std::map<int, std::string> paths;
};

}  // namespace detail

namespace io {

using detail::watched_directories;

namespace {

struct change_bit {
  directory_change change;
  std::uint32_t bit;
};

constexpr std::array change_bits{
    change_bit{directory_change::created, IN_CREATE},
    change_bit{directory_change::removed, IN_DELETE},
    change_bit{directory_change::moved_from, IN_MOVED_FROM},
    change_bit{directory_change::moved_to, IN_MOVED_TO},
    change_bit{directory_change::modified, IN_MODIFY},
    change_bit{directory_change::closed_after_write, IN_CLOSE_WRITE},
    change_bit{directory_change::attributes_changed, IN_ATTRIB},
    change_bit{directory_change::directory_moved, IN_MOVE_SELF},
    change_bit{directory_change::ended, IN_IGNORED},
    change_bit{directory_change::overflow, IN_Q_OVERFLOW},
};

// Of a file that is in use and has no name there any more, nobody wants to hear.
constexpr std::uint32_t always = IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK;

std::uint32_t mask_of(directory_changes changes) noexcept {
  std::uint32_t mask = 0;
  for (const auto& [change, bit] : change_bits)
    if (changes.contains(change)) mask |= bit & IN_ALL_EVENTS;
  return mask | always;
}

// Limits
// ------------------------------------------------------------------------------------------

std::uint64_t number_in(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  return file >> number ? number : std::numeric_limits<std::uint64_t>::max();
}

/// `what`: "watches" or "instances".
std::string user_limit_text(const std::string& what) {
  const std::uint64_t of_host = number_in("/proc/sys/fs/inotify/max_user_" + what);
  const std::uint64_t of_namespace = number_in("/proc/sys/user/max_inotify_" + what);
  const std::string name = of_namespace < of_host ? "user.max_inotify_" : "fs.inotify.max_user_";
  return "(the user's limit " + name + what + " = " +
         std::to_string(std::min(of_host, of_namespace)) + " is reached; raise it with sysctl -w)";
}

std::string descriptor_limit_text() {
  rlimit limit{};
  (void)::getrlimit(RLIMIT_NOFILE, &limit);
  return "(the process's limit of " + std::to_string(limit.rlim_cur) +
         " descriptors is reached; raise it with ulimit -n)";
}

/// The system has one number for both limits.
bool has_room_for_descriptor() noexcept {
  const owned_descriptor probe(::eventfd(0, EFD_CLOEXEC));
  return probe.is_open();
}

constexpr const char* opening = "open directory watch";

// Reading
// -----------------------------------------------------------------------------------------

/// An event of the system, with the longest of names: 255 characters of up to four bytes.
class raw_event {
 public:
  /// Reads one event, and no more: the rest stays with the system. >= 0, or a negated errno.
  [[nodiscard]] int read_from(int descriptor) noexcept {
    // It gives as many as there is room for. Each is a multiple of that of one without a name.
    for (std::size_t size = step; size <= bytes_.size();) {
      const auto got = ::read(descriptor, bytes_.data(), size);
      if (got > 0) return 0;
      if (got == -1 && errno != EINVAL && errno != EINTR) return -errno;
      if (got == 0 || errno == EINVAL) size += step;
    }
    return -EINVAL;
  }

  [[nodiscard]] inotify_event head() const noexcept {
    inotify_event head;
    std::memcpy(&head, bytes_.data(), sizeof head);
    return head;
  }
  /// Padded with zeros.
  [[nodiscard]] const char* name() const noexcept {
    return head().len != 0 ? reinterpret_cast<const char*>(bytes_.data()) + step : "";
  }

 private:
  static constexpr std::size_t step = sizeof(inotify_event);
  std::array<std::byte, 66 * step> bytes_;
};

/// Nothing: of no interest to the user.
std::optional<directory_event> translate(const raw_event& raw, watched_directories& directories) {
  const inotify_event head = raw.head();
  const auto* const known =
      std::find_if(change_bits.begin(), change_bits.end(), [mask = head.mask](const auto& one) {
        return (mask & one.bit) != 0;
      });
  if (known == change_bits.end()) return std::nullopt;
  if (known->change == directory_change::overflow)
    return directory_event(directory_change::overflow, -1, {}, {});

  const auto found = directories.paths.find(head.wd);
  if (found == directories.paths.end()) return std::nullopt;  // the user has removed it
  directory_event event(known->change, head.wd, found->second, raw.name());
  event.is_directory = (head.mask & IN_ISDIR) != 0 || event.name.empty();
  event.move_id = head.cookie;
  if (event.kind == directory_change::ended) directories.paths.erase(found);
  return event;
}

/// Takes one, if there is one. >= 0, or a negated errno. A plain function, so that no frame has the
/// room for it.
int take_event(
    int descriptor, watched_directories& directories, std::optional<directory_event>& event
) {
  raw_event raw;
  const int result = raw.read_from(descriptor);
  if (result >= 0) event = translate(raw, directories);
  return result;
}

task<directory_event> next_event(
    detail::io_reference watch, std::shared_ptr<watched_directories> directories
) {
  for (;;) {
    // Who is thrown out here has taken nothing, and behind it nothing waits.
    std::error_code error;
    co_await readiness_operation(watch.get(), detail::readiness::to_read, &error);
    std::optional<directory_event> event;
    if (!error && (watch->is_abandoned() || watch->descriptor < 0))
      error = detail::code_of(-ECANCELED);  // between the change and our turn
    if (!error) {
      const int result = take_event(watch->descriptor, *directories, event);
      if (result == -EAGAIN) continue;  // another one was faster
      if (result < 0) error = detail::code_of(result);
    }
    if (error) {
      const bool named = watch.get() != nullptr;
      throw io_error(
          error, "next", named ? watch->descriptor : -1, named ? watch->name() : std::string()
      );
    }
    if (event) co_return std::move(*event);
  }
}

task<directory_event> next_event(
    detail::io_reference watch,
    std::shared_ptr<watched_directories> directories,
    std::error_code& error
) {
  error.clear();
  try {
    co_return co_await next_event(watch, std::move(directories));
  } catch (const io_error& failure) {
    error = failure.code();
  }
  co_return directory_event();
}

}  // namespace

std::string directory_event::path() const {
  if (name.empty()) return directory;
  return directory.ends_with('/') ? directory + name : directory + "/" + name;
}

directory_watch open_directory_watch(std::error_code& error) {
  directory_watch made;
  made.directories_ = std::make_shared<watched_directories>();
  made.handle_ = detail::io_handle::make(detail::io_resource::kind::file, "directory watch");
  made.handle_->ends_waits = true;  // no change is taken from it any more
  made.handle_->descriptor = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (made.handle_->descriptor == -1) {
    error = detail::code_of(-errno);
    return {};
  }
  error.clear();
  return made;
}

directory_watch open_directory_watch() {
  std::error_code error;
  directory_watch made = open_directory_watch(error);
  if (error == std::errc::too_many_files_open)
    throw io_error(
        error, opening, -1, {},
        has_room_for_descriptor() ? user_limit_text("instances") : descriptor_limit_text()
    );
  if (error) throw io_error(error, opening, -1, {});
  return made;
}

int directory_watch::add(
    const std::string& path, directory_changes changes, std::error_code& error
) {
  // Allocated before: once the system watches it, nothing may fail.
  std::map<int, std::string> one;
  one.emplace(0, path);
  auto node = one.extract(0);
  int result = -1;
  if (!is_open()) {
    errno = EBADF;
  } else if (path.find('\0') != std::string::npos) {
    errno = EINVAL;
  } else {
    result = ::inotify_add_watch(descriptor(), path.c_str(), mask_of(changes));
  }
  if (result == -1) {
    error = detail::code_of(-errno);
    return -1;
  }
  error.clear();
  node.key() = result;
  auto inserted = directories_->paths.insert(std::move(node));
  if (!inserted.inserted) inserted.position->second.swap(inserted.node.mapped());
  return result;
}

int directory_watch::add(const std::string& path, directory_changes changes) {
  std::error_code error;
  const int id = add(path, changes, error);
  if (error == std::errc::no_space_on_device)
    throw io_error(error, "watch", descriptor(), path, user_limit_text("watches"));
  if (error) throw io_error(error, "watch", descriptor(), path);
  return id;
}

void directory_watch::remove(int id, std::error_code& error) {
  error.clear();
  if (!is_open()) {
    error = detail::code_of(-EBADF);
  } else if (directories_->paths.erase(id) == 0) {
    error = detail::code_of(-EINVAL);
  } else {
    // It fails when the directory has gone, which nobody has been told yet.
    (void)::inotify_rm_watch(descriptor(), id);
  }
}

void directory_watch::remove(int id) {
  std::error_code error;
  remove(id, error);
  if (error)
    throw io_error(error, "stop watching", descriptor(), {}, "number " + std::to_string(id));
}

task<directory_event> directory_watch::next() {
  return next_event(detail::io_reference(handle_.get()), directories_);
}
task<directory_event> directory_watch::next(std::error_code& error) {
  return next_event(detail::io_reference(handle_.get()), directories_, error);
}

readiness_operation directory_watch::readable() noexcept {
  return {handle_.get(), detail::readiness::to_read, nullptr};
}
readiness_operation directory_watch::readable(std::error_code& error) noexcept {
  return {handle_.get(), detail::readiness::to_read, &error};
}

task<> directory_watch::close() {
  return detail::close_resource(handle_.get(), nullptr);
}
task<> directory_watch::close(std::error_code& error) {
  return detail::close_resource(handle_.get(), &error);
}

}  // namespace io

}  // namespace stackless::inline STACKLESS_ABI
