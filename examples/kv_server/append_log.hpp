#pragma once

// The append-only file: every change, as the request that makes it.

#include <stackless/io/io.hpp>
#include <stackless/stackless.hpp>

#include "store.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace kv {

class log_rewrite;

enum class sync_policy : std::uint8_t {
  always,        ///< what is acknowledged is on the disk
  every_second,  ///< a crash of the machine loses a second; one of the server nothing
  never          ///< the system decides; a crash of the server loses nothing
};

/// When the log is rewritten without being asked for.
struct rewrite_policy {
  std::uint64_t growth = 100;  ///< in percent of its size after the last time; 0: never
  std::uint64_t smallest = 64 * 1024 * 1024;  ///< bytes that it has at least
};

/// Requests are appended at once and written by a tasklet of its own, as many as have come
/// meanwhile with one write and one sync. When the disk is full it keeps trying, and tells.
class append_log {
 public:
  append_log(std::string path, sync_policy policy, rewrite_policy rewriting);

  /// Replays what is there, and keeps the file locked against other servers. A request that was cut
  /// off by a crash, at the end, goes to a file beside it: after a damaged length it may be much.
  /// \throws std::runtime_error where the file is damaged, or when another server has it;
  /// stackless::io::io_error
  stackless::task<std::uint64_t> load(std::function<void(std::span<const std::string_view>)> apply);
  /// Writes, and syncs by the policy. For a daemon of its own.
  stackless::task<> run();

  void append(std::span<const std::string_view> request);
  /// Waits until all that was appended is written and, with `always`, on the disk. What is
  /// acknowledged after that survives the server.
  /// \throws std::system_error when it could not be; it may be later
  stackless::task<> commit();

  /// Replaces the log by a shorter one, when that was asked for or it has grown. Meanwhile changes
  /// go to the old one, and from there to the new, which takes its place in one step. For a daemon
  /// of its own.
  stackless::task<> rewrite_when_wanted(store& keys);
  /// False: one is under way.
  bool request_rewrite();

  /// Writes what is left, and syncs.
  stackless::task<> close();

  /// Why nothing can be written at present, if so.
  [[nodiscard]] std::error_code problem() const noexcept { return problem_; }
  [[nodiscard]] std::uint64_t size() const noexcept { return end_; }
  /// After the last rewrite, or at the start.
  [[nodiscard]] std::uint64_t base_size() const noexcept { return base_size_; }
  [[nodiscard]] std::uint64_t rewrites() const noexcept { return rewrites_; }
  [[nodiscard]] bool is_rewriting() const noexcept { return is_rewriting_; }
  [[nodiscard]] bool last_rewrite_failed() const noexcept { return rewrite_failed_; }

 private:
  static constexpr std::size_t most_kept = 16 * 1024 * 1024;  // of the buffer's room

  struct batch {
    stackless::event done{"a batch of the log is written"};
    std::error_code error;
  };

  stackless::task<> open_locked();
  stackless::task<> keep_damaged(std::uint64_t end);
  stackless::task<> write_pending();
  stackless::task<> sync_every_second();
  stackless::task<std::error_code> write(std::string_view bytes);
  [[nodiscard]] bool has_grown() const noexcept;
  stackless::task<> rewrite(store& keys, log_rewrite& fresh);
  stackless::task<std::uint64_t> write_keys(store& keys, log_rewrite& fresh);
  stackless::task<bool> take_place(log_rewrite& fresh, std::uint64_t& copied);

  std::string path_;   // as it was given, for messages
  std::string place_;  // without symbolic links: a rewrite replaces the file, not a link to it
  sync_policy policy_;
  stackless::io::file file_;
  std::uint64_t end_ = 0;     // of what is written
  std::uint64_t synced_ = 0;  // of what is on the disk
  std::string pending_;
  std::shared_ptr<batch> filling_ = std::make_shared<batch>();
  stackless::event has_pending_{"the log has something to write"};
  std::error_code problem_;
  bool is_writing_ = false;

  rewrite_policy rewriting_;
  stackless::mutex writing_{"the log's file"};  // held by who writes it, or replaces it
  stackless::event wants_rewrite_{"the log is to be rewritten"};
  std::uint64_t base_size_ = 0;
  std::uint64_t grown_from_ = 0;  // as the base, or where the last rewrite failed
  std::uint64_t rewrites_ = 0;
  bool is_rewriting_ = false;
  bool rewrite_failed_ = false;
};

}  // namespace kv
