#pragma once

// A shorter log: each key as it is, in place of all that made it so.

#include <stackless/io/io.hpp>
#include <stackless/task.hpp>

#include "store.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kv {

/// False: another server has it. A file system without locks is trusted. It does not block.
[[nodiscard]] bool lock_file(const stackless::io::file& file) noexcept;

/// A log that is written beside the one in use, to take its place.
class log_rewrite {
 public:
  /// The name that it has until then.
  [[nodiscard]] static std::string path_beside(const std::string& log) { return log + ".rewrite"; }

  /// What an earlier one has left goes. The permissions are those of the log in use, `old`, and it
  /// is locked as well: it takes its place.
  stackless::task<> open(const std::string& log, stackless::io::file& old);

  /// The requests that make this key; they are kept until `flush`.
  void add(std::string_view key, const value& held, std::optional<moment> expires);
  [[nodiscard]] bool should_flush() const noexcept { return pending_.size() >= enough_to_write; }
  stackless::task<> flush();
  /// Bytes of the log in use.
  stackless::task<> copy(stackless::io::file& from, std::uint64_t begin, std::uint64_t end);
  stackless::task<> sync();
  stackless::task<> remove();

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] std::uint64_t size() const noexcept { return end_; }
  [[nodiscard]] stackless::io::file take_file() noexcept { return std::move(file_); }

 private:
  static constexpr std::size_t enough_to_write = 256 * 1024;

  std::string path_;
  stackless::io::file file_;
  std::string pending_;
  std::uint64_t end_ = 0;
};

}  // namespace kv
