#include "tree_copy.hpp"

#include <stackless/io/io.hpp>
#include <stackless/stackless.hpp>

#include "buffers.hpp"
#include "file_copy.hpp"
#include "partial_file.hpp"
#include "target.hpp"

#include <cstddef>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_set>
#include <utility>
#include <vector>

namespace sl = stackless;
namespace io = stackless::io;

namespace copying {

namespace {

/// A directory at the target. It gets its permissions and times when nothing more will be written
/// into it: when the walk has left it, and all that it was given is done.
struct directory {
  std::shared_ptr<directory> parent;
  std::string target;
  io::file_status source;
  std::size_t holds = 1;
};
using directory_handle = std::shared_ptr<directory>;

struct job {
  file_job file;
  directory_handle parent;  // null: it was named itself
};

class tree_copier {
 public:
  tree_copier(const options& chosen, report& results) : chosen_(chosen), results_(results) {}

  sl::task<> run() {
    co_await sl::with_nursery([&](sl::nursery& n) -> sl::task<> {
      for (std::size_t i = 0; i < chosen_.jobs; ++i)
        n.spawn("copier", [this]() -> sl::task<> { return copy_files(); });
      const target_folder folder = co_await target_folder::look_at(chosen_.target);
      if (chosen_.sources.size() > 1 && !folder.is_there())
        throw std::runtime_error("\"" + chosen_.target + "\" is no directory");
      for (const std::string& source : chosen_.sources) {
        std::string problem;
        try {
          co_await add(source, folder);
        } catch (const std::exception& error) {
          problem = error.what();
        }
        if (!problem.empty()) results_.failed(problem);
      }
      jobs_.close();
    });
  }

 private:
  sl::task<> copy_files() {
    buffers memory;
    while (std::optional<job> next = co_await jobs_.next()) {
      co_await copy_file(next->file, chosen_, memory, results_);
      co_await release(std::move(next->parent));
    }
  }

  sl::task<> add(const std::string& source, const target_folder& folder) {
    // Of a link that was named, the tree has the link, and a file what it points to.
    const auto links = chosen_.recursive ? io::symlinks::keep : io::symlinks::follow;
    std::error_code error;
    const io::file_status status = co_await io::status(source, links, error);
    if (error) throw io::io_error(error, "open", -1, source);
    const std::string target = folder.path_for(source);
    if (!targets_.insert(target).second)
      throw std::runtime_error(
          "\"" + source + "\" is left out: another source is copied to \"" + target + "\""
      );
    if (status.type == io::file_type::directory) {
      if (!chosen_.recursive)
        throw std::runtime_error(source + " is a directory (--recursive copies it)");
      co_await check_apart(source, status, target);
      results_.renames_directory = !folder.is_there();
      co_await add_tree(source, target);
      co_return;
    }
    if (target.back() == '/') throw std::runtime_error("\"" + target + "\" is no directory");
    job made;
    made.file.source = source;
    made.file.kind =
        status.type == io::file_type::symlink ? source_kind::symlink : source_kind::named;
    made.file.target = target;
    if (made.file.kind == source_kind::named) {
      if (chosen_.recursive && status.type != io::file_type::regular) {
        leave_out(source);
        co_return;
      }
      made.file.target = co_await follow_links(target);
      const io::file_status there = co_await io::status(made.file.target, error);
      if (!error && there.inode == status.inode && there.device == status.device)
        throw std::runtime_error(source + " and " + target + " are the same file");
    }
    co_await jobs_.send_from(made);
  }

  sl::task<> add_tree(const std::string& source, const std::string& target) {
    std::vector<directory_handle> open;  // from the root to where the walk is
    auto entries = io::walk(source, {.most_open = 8});
    while (io::walk_entry* const entry = co_await entries.next()) {
      if (entry->error()) {
        results_.failed(io::io_error(entry->error(), "read directory", -1, entry->path()).what());
        continue;
      }
      while (open.size() > entry->depth()) {
        co_await release(std::move(open.back()));
        open.pop_back();
      }
      std::string_view below = std::string_view(entry->path()).substr(source.size());
      if (below.starts_with('/')) below.remove_prefix(1);
      std::string path = target;
      if (!below.empty()) path.append("/").append(below);

      const directory_handle parent = open.empty() ? nullptr : open.back();
      if (entry->type() == io::file_type::directory) {
        directory_handle made = co_await enter(entry->path(), std::move(path), parent);
        if (made) {
          open.push_back(std::move(made));
        } else {
          entry->skip();
        }
        continue;
      }
      if (is_partial_name(entry->name())) {
        results_.left_out("\"" + entry->path() + "\" is left out: a copy has left it unfinished");
        continue;
      }
      job next;
      next.file.source = entry->path();
      next.file.target = std::move(path);
      if (entry->type() == io::file_type::symlink) {
        next.file.kind = source_kind::symlink;
      } else if (entry->type() != io::file_type::regular) {
        leave_out(entry->path());
        continue;
      }
      next.parent = parent;
      ++parent->holds;
      co_await jobs_.send_from(next);
    }
    while (!open.empty()) {
      co_await release(std::move(open.back()));
      open.pop_back();
    }
  }

  void leave_out(const std::string& path) {
    results_.left_out("\"" + path + "\" is left out: it is no file, directory or link");
  }

  /// Null: it failed, which has been told.
  sl::task<directory_handle> enter(
      const std::string& source, std::string target, directory_handle parent
  ) {
    std::string problem;
    try {
      auto made = std::make_shared<directory>();
      made->source = co_await io::status(source, io::symlinks::keep);
      std::error_code error;
      co_await io::create_directory(target, 0700, error);
      if (error == std::errc::file_exists) {
        const io::file_status there = co_await io::status(target, io::symlinks::keep);
        if (there.type != io::file_type::directory)
          throw std::runtime_error("\"" + target + "\" is there, and no directory");
        if ((there.permissions & 0700U) != 0700)
          co_await io::set_permissions(target, there.permissions | 0700U);
      } else if (error) {
        throw io::io_error(error, "create_directory", -1, target);
      }
      made->target = std::move(target);
      if (parent) ++parent->holds;
      made->parent = std::move(parent);
      ++results_.done.directories;
      co_return made;
    } catch (const std::exception& error) {
      problem = error.what();
    }
    results_.failed(problem);
    co_return nullptr;
  }

  sl::task<> release(directory_handle held) {
    while (held && --held->holds == 0) {
      std::error_code error;
      co_await io::set_permissions(held->target, held->source.permissions & 0777U, error);
      if (!error)
        co_await io::set_times(
            held->target, held->source.accessed, held->source.modified, io::symlinks::keep, error
        );
      if (error) results_.failed(io::io_error(error, "set attributes of", -1, held->target).what());
      held = std::exchange(held->parent, nullptr);
    }
  }

  const options& chosen_;
  report& results_;
  sl::channel<job> jobs_{"files to copy", 2 * chosen_.jobs};
  std::unordered_set<std::string> targets_;  // of what was named
};

}  // namespace

sl::task<> copy_sources(const options& chosen, report& results) {
  tree_copier copier(chosen, results);
  co_await copier.run();
}

}  // namespace copying
