#pragma once

// Where a source goes to.

#include <stackless/io/io.hpp>
#include <stackless/task.hpp>

#include <string>

namespace copying {

/// The last word of the command line: a directory that what is copied goes into, or its new name.
class target_folder {
 public:
  static stackless::task<target_folder> look_at(std::string path);

  [[nodiscard]] bool is_there() const noexcept { return is_there_; }
  /// What a copy of `source` is to be called. What is in "." and ".." goes into the directory
  /// itself.
  [[nodiscard]] std::string path_for(const std::string& source) const;

 private:
  std::string path_;
  bool is_there_ = false;
};

/// The file that is meant by a path, which may be a symbolic link, or lead to one.
/// \throws std::runtime_error the link leads nowhere
stackless::task<std::string> follow_links(std::string path);

/// \throws std::runtime_error `target`, where a directory is to be copied to, is that directory or
///         in it: the copy would contain itself, without end
stackless::task<> check_apart(
    const std::string& source, const stackless::io::file_status& status, const std::string& target
);

}  // namespace copying
