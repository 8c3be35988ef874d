#include "file_copy.hpp"

#include <stackless/io/io.hpp>
#include <stackless/stackless.hpp>

#include "partial_file.hpp"
#include "transfer.hpp"

#include <algorithm>
#include <exception>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fcntl.h>

namespace sl = stackless;
namespace io = stackless::io;

namespace copying {

namespace {

constexpr unsigned kept_permissions = 0777;

bool is_same_version(const io::file_status& one, const io::file_status& other) noexcept {
  return one.type == other.type && one.size == other.size && one.modified == other.modified;
}

class file_copier {
 public:
  file_copier(const file_job& job, const options& chosen, buffers& memory, report& results)
      : job_(job), chosen_(chosen), memory_(memory), results_(results), done_(results.done) {}

  sl::task<> run() {
    if (job_.kind == source_kind::symlink) {
      co_await copy_link();
      co_return;
    }
    io::open_options how;
    how.follow_symlink = job_.kind == source_kind::named;
    source_ = co_await io::open(job_.source, io::open_mode::read_only, how);
    before_ = co_await source_.status();
    is_regular_ = before_.type == io::file_type::regular;
    if (!is_regular_ && job_.kind == source_kind::file)
      throw std::runtime_error("\"" + job_.source + "\" is no regular file any more");
    if (chosen_.verify && !is_regular_)
      throw std::runtime_error("\"" + job_.source + "\" is no regular file: it cannot be verified");

    std::error_code error;
    io::file_status there;
    const bool is_named = job_.kind == source_kind::named;
    const auto links = is_named ? io::symlinks::follow : io::symlinks::keep;
    if (is_named || chosen_.resume) there = co_await io::status(job_.target, links, error);
    const bool is_there = !error && there.type != io::file_type::unknown;
    if (is_there && is_named && there.type != io::file_type::regular &&
        there.type != io::file_type::directory) {
      co_await write_to_device();
    } else if (is_there && chosen_.resume && is_regular_ && is_same_version(before_, there)) {
      const bool is_kept = co_await keep_complete(there);
      if (!is_kept) co_await write_file();
    } else {
      co_await write_file();
    }
  }

  /// It failed. Whether there was something incomplete, which is gone now.
  sl::task<bool> clean_up() {
    if (!partial_ || chosen_.resume) co_return false;
    co_await partial_->remove();
    co_return true;
  }

 private:
  sl::task<> write_file() {
    const unsigned permissions = before_.permissions & kept_permissions;
    partial_.emplace(
        co_await partial_file::open(job_.target, chosen_.resume && is_regular_, permissions)
    );
    io::file& target = partial_->file;
    std::uint64_t begin = 0;
    if (partial_->kept != 0) {
      // The parts of a large file are not written in order: what is not the source's goes.
      const std::uint64_t shorter = std::min(partial_->kept, before_.size);
      const auto differs = co_await first_difference(source_, target, shorter, memory_);
      begin = differs.value_or(shorter);
      co_await target.resize(begin);
      done_.bytes_before += begin;
    }

    transfer_plan plan(source_, target);
    plan.begin = begin;
    plan.source_has_offsets = is_regular_;
    plan.is_sparse = is_regular_ && before_.allocated < before_.size;
    if (is_regular_) plan.size = before_.size;
    const std::uint64_t end = co_await transfer(plan, memory_, done_.bytes);
    if (plan.is_sparse) co_await target.resize(end);  // a hole at the end

    if (is_regular_) {
      const io::file_status after = co_await source_.status();
      if (!is_same_version(before_, after))
        throw std::runtime_error("\"" + job_.source + "\" has changed while it was copied");
      if (chosen_.verify) {
        const auto differs = co_await difference(target, end);
        if (differs) throw std::runtime_error(difference_text(*differs));
      }
      if (!partial_->has_permissions(permissions)) co_await target.set_permissions(permissions);
      co_await target.set_times(before_.accessed, before_.modified);
    }
    co_await partial_->complete();
    ++done_.files;
  }

  sl::task<> write_to_device() {
    io::file target = co_await io::open(job_.target, io::open_mode::create_truncate);
    transfer_plan plan(source_, target);
    plan.source_has_offsets = is_regular_;
    plan.target_has_offsets = false;
    (void)co_await transfer(plan, memory_, done_.bytes);
    co_await target.close();
    ++done_.files;
  }

  /// False: it was to be verified, and is to be copied anew.
  sl::task<bool> keep_complete(const io::file_status& there) {
    if (chosen_.verify) {
      io::file target = co_await io::open(job_.target);
      const auto differs = co_await difference(target, before_.size);
      if (differs) {
        results_.note(difference_text(*differs) + ": it is copied anew");
        co_return false;
      }
    }
    const unsigned permissions = before_.permissions & kept_permissions;
    if ((there.permissions & kept_permissions) != permissions)
      co_await io::set_permissions(job_.target, permissions);
    done_.bytes_before += before_.size;
    ++done_.complete_before;
    co_return true;
  }

  /// Of what the device gives back, and not of what the system still has in memory.
  sl::task<std::optional<std::uint64_t>> difference(io::file& target, std::uint64_t size) {
    co_await target.sync_data();
    (void)co_await sl::offload(
        ::posix_fadvise, target.descriptor(), off_t{0}, off_t{0}, POSIX_FADV_DONTNEED
    );
    const io::file_status written = co_await target.status();
    auto differs = co_await first_difference(source_, target, size, memory_);
    if (!differs && written.size != size) differs = std::min(written.size, size);
    co_return differs;
  }
  [[nodiscard]] std::string difference_text(std::uint64_t at) const {
    return "\"" + job_.target + "\" differs from \"" + job_.source + "\" at byte " +
           std::to_string(at);
  }

  sl::task<> copy_link() {
    const std::string text = co_await io::read_symlink(job_.source);
    const io::file_status from = co_await io::status(job_.source, io::symlinks::keep);
    std::error_code error;
    co_await io::create_symlink(text, job_.target, error);
    if (!error) {
      co_await io::set_times(job_.target, from.accessed, from.modified, io::symlinks::keep);
      ++done_.links;
      co_return;
    }
    if (error != std::errc::file_exists)
      throw io::io_error(error, "create_symlink", -1, job_.target);
    const std::string there = co_await io::read_symlink(job_.target, error);
    if (!error && there == text && chosen_.resume) {
      // Who made it may have been killed before it had its times.
      co_await io::set_times(job_.target, from.accessed, from.modified, io::symlinks::keep);
      ++done_.complete_before;
      co_return;
    }
    // In place of what has the name, in one step.
    const std::string partial = partial_path(job_.target);
    co_await io::remove_file(partial, error);
    co_await io::create_symlink(text, partial);
    co_await io::set_times(partial, from.accessed, from.modified, io::symlinks::keep);
    co_await io::rename(partial, job_.target, error);
    if (error) {
      std::error_code ignored;
      co_await io::remove_file(partial, ignored);
      throw io::io_error(error, "create_symlink", -1, job_.target);
    }
    ++done_.links;
  }

  const file_job& job_;
  const options& chosen_;
  buffers& memory_;
  report& results_;
  counts& done_;
  io::file source_;
  io::file_status before_;
  bool is_regular_ = false;
  std::optional<partial_file> partial_;
};

}  // namespace

sl::task<> copy_file(const file_job& job, const options& chosen, buffers& memory, report& results) {
  file_copier copier(job, chosen, memory, results);
  std::string problem;
  try {
    co_await copier.run();
  } catch (const std::exception& error) {
    problem = error.what();
  }
  if (problem.empty()) co_return;
  results.failed(problem);
  const bool was_removed = co_await copier.clean_up();
  if (was_removed) results.note("the incomplete " + job.target + " was removed");
}

}  // namespace copying
