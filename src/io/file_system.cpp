#include <stackless/io/file_system.hpp>

#include "blocking_operation.hpp"
#include "failure.hpp"
#include "file_status.hpp"
#include "resource.hpp"

#include <array>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

namespace stackless::inline STACKLESS_ABI::io {

using detail::blocking_call;
using detail::io_code;

namespace {

bool has_zero(const std::string& path) noexcept {
  return path.find('\0') != std::string::npos;
}

std::uint32_t flags_of(rename_mode mode) noexcept {
  switch (mode) {
  case rename_mode::replace:
    break;
  case rename_mode::no_replace:
    return RENAME_NOREPLACE;
  case rename_mode::exchange:
    return RENAME_EXCHANGE;
  }
  return 0;
}

class read_symlink_call final : public blocking_call {
 public:
  explicit read_symlink_call(const std::string& path) noexcept
      : blocking_call("read_symlink"), path_(path) {}
  int perform() noexcept override {
    const ssize_t size = ::readlink(path_.c_str(), text_.data(), text_.size());
    if (size == -1) return -errno;
    return static_cast<std::size_t>(size) == text_.size() ? -ENAMETOOLONG : static_cast<int>(size);
  }
  [[nodiscard]] const char* text() const noexcept { return text_.data(); }

 private:
  const std::string& path_;
  std::array<char, 4097> text_;  // PATH_MAX, and one more to see that it was not all
};

class set_permissions_call final : public blocking_call {
 public:
  set_permissions_call(const std::string& path, unsigned permissions) noexcept
      : blocking_call("set_permissions"), path_(path), permissions_(permissions) {}
  int perform() noexcept override {
    return ::chmod(path_.c_str(), static_cast<mode_t>(permissions_)) == 0 ? 0 : -errno;
  }

 private:
  const std::string& path_;
  unsigned permissions_;
};

class set_times_call final : public blocking_call {
 public:
  set_times_call(
      const std::string& path, file_time accessed, file_time modified, symlinks links
  ) noexcept
      : blocking_call("set_times"),
        path_(path),
        times_{detail::native_time(accessed), detail::native_time(modified)},
        flags_(links == symlinks::keep ? AT_SYMLINK_NOFOLLOW : 0) {}
  int perform() noexcept override {
    return ::utimensat(AT_FDCWD, path_.c_str(), times_.data(), flags_) == 0 ? 0 : -errno;
  }

 private:
  const std::string& path_;
  std::array<timespec, 2> times_;
  int flags_;
};

class sync_directory_call final : public blocking_call {
 public:
  explicit sync_directory_call(const std::string& path) noexcept
      : blocking_call("sync_directory"), path_(path) {}
  int perform() noexcept override {
    const int descriptor = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor == -1) return -errno;
    const int result = ::fsync(descriptor) == 0 ? 0 : -errno;
    ::close(descriptor);
    return result;
  }

 private:
  const std::string& path_;
};

/// Performs the call; a failure goes into `error`, or is thrown if there is none.
task<int> perform(blocking_call& call, const std::string& path, std::error_code* error) {
  if (error != nullptr) error->clear();
  detail::check_current_tasklet();
  int result = -EINVAL;
  if (!has_zero(path)) result = co_await detail::blocking_operation(call, path.c_str());
  if (result < 0) {
    if (error == nullptr) throw io_error(detail::code_of(result), call.name, -1, path);
    *error = detail::code_of(result);
  }
  co_return result;
}

task<std::string> read_link(std::string path, std::error_code* error) {
  read_symlink_call call(path);
  const int size = co_await perform(call, path, error);
  co_return size < 0 ? std::string() : std::string(call.text(), static_cast<std::size_t>(size));
}

task<> change_permissions(std::string path, unsigned permissions, std::error_code* error) {
  set_permissions_call call(path, permissions);
  (void)co_await perform(call, path, error);
}

task<> change_times(
    std::string path, file_time accessed, file_time modified, symlinks links, std::error_code* error
) {
  set_times_call call(path, accessed, modified, links);
  (void)co_await perform(call, path, error);
}

task<> sync_entries(std::string path, std::error_code* error) {
  sync_directory_call call(path);
  (void)co_await perform(call, path, error);
}

}  // namespace

path_operation::path_operation(
    io_code code,
    std::string path,
    std::string other,
    std::uint32_t flags_or_mode,
    std::error_code* error
)
    : io_call(code, nullptr, error), path_(std::move(path)), other_(std::move(other)) {
  if (has_zero(path_) || has_zero(other_)) refusal_ = -EINVAL;
  operation_.path = path_.c_str();
  operation_.data = other_.data();
  (code == io_code::make_directory ? operation_.mode : operation_.flags) = flags_or_mode;
}

void path_operation::take() {
  settle();
  (void)checked();
}

status_operation status(std::string path, symlinks links) {
  return status_operation(std::move(path), links, nullptr);
}
status_operation status(std::string path, std::error_code& error) {
  return status_operation(std::move(path), symlinks::follow, &error);
}
status_operation status(std::string path, symlinks links, std::error_code& error) {
  return status_operation(std::move(path), links, &error);
}

path_operation rename(std::string from, std::string to, rename_mode mode) {
  return path_operation(io_code::rename, std::move(from), std::move(to), flags_of(mode), nullptr);
}
path_operation rename(std::string from, std::string to, std::error_code& error) {
  return path_operation(io_code::rename, std::move(from), std::move(to), 0, &error);
}
path_operation rename(std::string from, std::string to, rename_mode mode, std::error_code& error) {
  return path_operation(io_code::rename, std::move(from), std::move(to), flags_of(mode), &error);
}

path_operation remove_file(std::string path) {
  return path_operation(io_code::unlink, std::move(path), {}, 0, nullptr);
}
path_operation remove_file(std::string path, std::error_code& error) {
  return path_operation(io_code::unlink, std::move(path), {}, 0, &error);
}

path_operation remove_directory(std::string path) {
  return path_operation(io_code::unlink, std::move(path), {}, AT_REMOVEDIR, nullptr);
}
path_operation remove_directory(std::string path, std::error_code& error) {
  return path_operation(io_code::unlink, std::move(path), {}, AT_REMOVEDIR, &error);
}

path_operation create_directory(std::string path, unsigned permissions) {
  return path_operation(io_code::make_directory, std::move(path), {}, permissions, nullptr);
}
path_operation create_directory(std::string path, std::error_code& error) {
  return path_operation(io_code::make_directory, std::move(path), {}, 0777, &error);
}
path_operation create_directory(std::string path, unsigned permissions, std::error_code& error) {
  return path_operation(io_code::make_directory, std::move(path), {}, permissions, &error);
}

path_operation create_symlink(std::string target, std::string link) {
  return path_operation(io_code::symbolic_link, std::move(target), std::move(link), 0, nullptr);
}
path_operation create_symlink(std::string target, std::string link, std::error_code& error) {
  return path_operation(io_code::symbolic_link, std::move(target), std::move(link), 0, &error);
}

path_operation create_hard_link(std::string existing, std::string link) {
  return path_operation(io_code::hard_link, std::move(existing), std::move(link), 0, nullptr);
}
path_operation create_hard_link(std::string existing, std::string link, std::error_code& error) {
  return path_operation(io_code::hard_link, std::move(existing), std::move(link), 0, &error);
}

task<std::string> read_symlink(std::string path) {
  return read_link(std::move(path), nullptr);
}
task<std::string> read_symlink(std::string path, std::error_code& error) {
  return read_link(std::move(path), &error);
}

task<> set_permissions(std::string path, unsigned permissions) {
  return change_permissions(std::move(path), permissions, nullptr);
}
task<> set_permissions(std::string path, unsigned permissions, std::error_code& error) {
  return change_permissions(std::move(path), permissions, &error);
}

task<> set_times(std::string path, file_time accessed, file_time modified, symlinks links) {
  return change_times(std::move(path), accessed, modified, links, nullptr);
}
task<> set_times(
    std::string path, file_time accessed, file_time modified, symlinks links, std::error_code& error
) {
  return change_times(std::move(path), accessed, modified, links, &error);
}

task<> sync_directory(std::string path) {
  return sync_entries(std::move(path), nullptr);
}
task<> sync_directory(std::string path, std::error_code& error) {
  return sync_entries(std::move(path), &error);
}

}  // namespace stackless::inline STACKLESS_ABI::io
