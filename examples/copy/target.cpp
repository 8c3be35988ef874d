#include "target.hpp"

#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

namespace sl = stackless;
namespace io = stackless::io;

namespace copying {

namespace {

std::string_view without_slashes(std::string_view path) noexcept {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  return path;
}

std::string directory_of(std::string_view path) {
  path = without_slashes(path);
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(without_slashes(path.substr(0, slash + 1)));
}

bool is_same(const io::file_status& one, const io::file_status& other) noexcept {
  return one.inode == other.inode && one.device == other.device;
}

}  // namespace

sl::task<target_folder> target_folder::look_at(std::string path) {
  target_folder made;
  std::error_code error;
  const io::file_status status = co_await io::status(path, error);
  made.is_there_ = !error && status.type == io::file_type::directory;
  made.path_ = std::move(path);
  co_return made;
}

std::string target_folder::path_for(const std::string& source) const {
  if (!is_there_) return path_;
  std::string_view name = without_slashes(source);
  name.remove_prefix(name.rfind('/') + 1);
  if (name.empty() || name == "." || name == "..") return path_;
  std::string path = path_;
  if (path.back() != '/') path += '/';
  return path.append(name);
}

sl::task<std::string> follow_links(std::string path) {
  std::error_code error;
  io::file_status status = co_await io::status(path, error);
  if (!error && status.type != io::file_type::regular)
    co_return path;               // a device, a pipe: as it is
  constexpr int most_links = 40;  // as the system
  for (int i = 0; i < most_links; ++i) {
    status = co_await io::status(path, io::symlinks::keep, error);
    if (error && i != 0)
      throw std::runtime_error("a symbolic link leads to \"" + path + "\", which is not there");
    if (error || status.type != io::file_type::symlink) co_return path;
    std::string next = co_await io::read_symlink(path);
    path = next.starts_with('/') ? std::move(next) : directory_of(path) + "/" + next;
  }
  throw std::runtime_error("\"" + path + "\": too many symbolic links");
}

sl::task<> check_apart(
    const std::string& source, const io::file_status& status, const std::string& target
) {
  // By what the directories are and not by how they are called, from the target up to the root.
  std::error_code error;
  io::file_status above = co_await io::status(target, error);
  if (!error && is_same(above, status))
    throw std::runtime_error(source + " and " + target + " are the same directory");
  std::string path = error ? directory_of(target) : target;
  for (;;) {
    above = co_await io::status(path, error);
    if (error) co_return;  // making the target will tell
    if (is_same(above, status))
      throw std::runtime_error("cannot copy " + source + " into itself, " + target);
    path += "/..";
    const io::file_status next = co_await io::status(path, error);
    if (error || is_same(next, above)) co_return;
  }
}

}  // namespace copying
