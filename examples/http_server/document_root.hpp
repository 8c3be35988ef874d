#pragma once

#include <stackless/io/io.hpp>
#include <stackless/task.hpp>

#include <cstdint>
#include <ctime>
#include <string>

namespace http {

/// A file that may be sent, or why there is none.
struct document {
  int status = 200;  ///< 301: a folder, whose name lacks its "/"
  stackless::io::file file;
  std::uint64_t size = 0;
  std::time_t modified = 0;
  std::string tag;   ///< with its quotes
  std::string name;  ///< the index's, for a folder
};

/// The folder whose files are served. Nothing outside of it can be opened, whatever its symbolic
/// links say: the kernel looks to that (`openat2` with RESOLVE_BENEATH).
class document_root {
 public:
  /// \throws std::system_error there is no such folder, or the kernel is older than Linux 5.6
  explicit document_root(const std::string& folder);

  /// `path`: relative, as of `path_of`. A folder's is its index.html.
  stackless::task<document> open(std::string path) const;

 private:
  stackless::io::owned_descriptor root_;
};

}  // namespace http
