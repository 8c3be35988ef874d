#pragma once

#include <stackless/detail/io_resource.hpp>
#include <stackless/io/error.hpp>
#include <stackless/io/readiness.hpp>
#include <stackless/task.hpp>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {
class watched_directories;
}  // namespace stackless::inline STACKLESS_ABI::detail

namespace stackless::inline STACKLESS_ABI::io {

/// What has happened in a directory. The last three are always told, whatever was asked for.
enum class directory_change : std::uint8_t {
  created,             ///< a name came: a new file or directory, or a link
  removed,             ///< a name has gone
  moved_from,          ///< it has another name, or is in another directory
  moved_to,            ///< it came by a rename, maybe over what had the name before
  modified,            ///< a file was written to, or its size set
  closed_after_write,  ///< who could have written to a file has closed it
  attributes_changed,  ///< permissions, owner, times; without a name: the directory's own
  directory_moved,     ///< the directory itself has another path; it is still watched
  ended,               ///< the directory has gone: nothing more will come from it
  overflow             ///< changes were lost, in any of the directories: look for yourself
};

/// A set of them: `{io::directory_change::created, io::directory_change::removed}`.
class directory_changes {
 public:
  constexpr directory_changes(std::initializer_list<directory_change> list) noexcept {
    for (const directory_change one : list) bits_ = static_cast<std::uint16_t>(bits_ | bit(one));
  }
  [[nodiscard]] static constexpr directory_changes all() noexcept {
    directory_changes every{};
    every.bits_ = 0xFFFF;
    return every;
  }

  [[nodiscard]] constexpr bool contains(directory_change one) const noexcept {
    return (bits_ & bit(one)) != 0;
  }

 private:
  [[nodiscard]] static constexpr unsigned bit(directory_change one) noexcept {
    return 1U << static_cast<unsigned>(one);
  }

  std::uint16_t bits_ = 0;
};

/// One change, as `directory_watch::next` gives it.
class directory_event {
 public:
  directory_event() noexcept = default;
  directory_event(directory_change what, int of, std::string in, std::string called) noexcept
      : kind(what), id(of), directory(std::move(in)), name(std::move(called)) {}

  directory_change kind = directory_change::ended;
  bool is_directory = false;  ///< what has the name is, or was, a directory
  int id = -1;                ///< what `add` gave for the directory; -1 with `overflow`
  std::uint32_t move_id = 0;  ///< the same number with both halves of one move; else 0
  std::string directory;      ///< its path, as it was given to `add`
  std::string name;           ///< in the directory; empty: the directory itself

  /// The two together.
  [[nodiscard]] std::string path() const;
};

/// Tells what happens to the names in directories, and to what has them:
///
///     io::directory_watch watch = io::open_directory_watch();
///     watch.add("/srv/incoming", {io::directory_change::closed_after_write});
///     io::directory_event event = co_await watch.next();
///
/// What is in subdirectories is not told: add those as well. Add a directory first and read it
/// after that: what it got in between comes twice, and nothing is missed.
///
/// The system keeps the changes (`fs.inotify.max_queued_events`, 16384 by default), and nothing
/// else does. When there are more it drops them, and says `overflow`. It counts a change once that
/// repeats the one before it. It does not see what other hosts do on a network file system, nor
/// writes to mapped memory.
///
/// Both halves of a move between watched directories have the same `move_id`, and mostly come one
/// directly after the other. A move from elsewhere has one half.
///
/// Default-constructed and moved-from ones are closed.
/// **Lifetime**: the destructor closes. Who waits in `next` or `readable` then gets
/// `std::errc::operation_canceled` at once, as from `close`.
class directory_watch {
 public:
  directory_watch() noexcept = default;

  /// From now on tells of this directory, too, and gives its number in events. A directory that is
  /// watched already, whatever its path was, keeps the number: the new path and changes count. A
  /// symbolic link is followed. A plain function: the device may have to be waited for.
  ///
  /// **Errors**: `io_error`; with `error` given it is set instead, and the result is -1.
  /// `std::errc::not_a_directory`; `no_space_on_device` when the user may have no more watches:
  /// the text says how to raise the limit.
  int add(const std::string& path, directory_changes changes = directory_changes::all());
  int add(const std::string& path, directory_changes changes, std::error_code& error);

  /// From now on tells no more of the directory, nor of what has happened in it already. A plain
  /// function.
  ///
  /// **Errors**: `std::errc::invalid_argument` when there is none with this number, as after
  /// `ended`.
  void remove(int id);
  void remove(int id, std::error_code& error);

  /// Waits for a change. When several tasklets wait, each change goes to one of them.
  ///
  /// **Cancellation**: a cancel point, which loses no change; neither does a kill.
  /// **Errors**: `io_error`; with `error` given it is set instead, and the event means nothing.
  /// **Wakes**: as `readiness_operation`.
  [[nodiscard]] task<directory_event> next();
  [[nodiscard]] task<directory_event> next(std::error_code& error);

  /// Waits until there is a change. A case for `select`. It may be one that `next` leaves out, such
  /// as one in a directory that was removed: then `next` waits.
  readiness_operation readable() noexcept;
  readiness_operation readable(std::error_code& error) noexcept;

  /// Closes it. Who waits in `next` gets `std::errc::operation_canceled`. Does nothing when it is
  /// closed, or being closed.
  ///
  /// **Cancellation**: shielded. What is thrown at it is raised when it has been closed.
  task<> close();
  task<> close(std::error_code& error);

  [[nodiscard]] bool is_open() const noexcept { return handle_.is_open(); }
  /// -1 when closed.
  [[nodiscard]] int descriptor() const noexcept { return handle_.descriptor(); }

 private:
  friend directory_watch open_directory_watch(std::error_code& error);

  detail::io_handle handle_;
  std::shared_ptr<detail::watched_directories> directories_;
};

/// One that watches nothing yet. A plain function.
///
/// **Errors**: `io_error`; with `error` given it is set instead, and the watch is a closed one.
/// `std::errc::too_many_files_open` when the user may have no more of them, or the process no more
/// descriptors: the text says which, and how to raise the limit.
[[nodiscard]] directory_watch open_directory_watch();
[[nodiscard]] directory_watch open_directory_watch(std::error_code& error);

}  // namespace stackless::inline STACKLESS_ABI::io
