#include <stackless/io/descriptor.hpp>
#include <stackless/io/walk.hpp>

#include "blocking_operation.hpp"
#include "directory_reader.hpp"
#include "failure.hpp"
#include "resource.hpp"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

namespace stackless::inline STACKLESS_ABI::io {

/// Fills in entries.
class walk_access {
 public:
  [[nodiscard]] walk_entry& describe(
      const std::string& path, std::size_t name_at, std::size_t depth, file_type type
  ) {
    entry_.path_ = path;
    entry_.name_at_ = name_at;
    entry_.depth_ = depth;
    entry_.type_ = type;
    entry_.error_.clear();
    entry_.leaving_ = false;
    entry_.skipped_ = false;
    return entry_;
  }
  [[nodiscard]] walk_entry& describe_failure(
      const std::string& path, std::size_t name_at, std::size_t depth, int result
  ) {
    (void)describe(path, name_at, depth, file_type::directory);
    entry_.error_ = detail::code_of(result);
    return entry_;
  }
  [[nodiscard]] walk_entry& describe_leaving(
      const std::string& path, std::size_t name_at, std::size_t depth
  ) {
    (void)describe(path, name_at, depth, file_type::directory);
    entry_.leaving_ = true;
    return entry_;
  }
  [[nodiscard]] bool is_skipped() const noexcept { return entry_.skipped_; }

 private:
  walk_entry entry_;
};

namespace {

using detail::blocking_operation;
using detail::directory_reader;

struct level {
  directory_reader reader;
  std::size_t path_size = 0;  // of the directory's path
  std::size_t name_at = 0;
};

/// The directories from the root down to where the walk is.
class levels {
 public:
  explicit levels(std::size_t most_open) : most_open_(std::max<std::size_t>(most_open, 2)) {}

  [[nodiscard]] bool empty() const noexcept { return list_.empty(); }
  [[nodiscard]] std::size_t depth() const noexcept { return list_.size(); }
  [[nodiscard]] level& top() noexcept { return *list_.back(); }
  [[nodiscard]] level& above_top() noexcept { return *list_[list_.size() - 2]; }

  /// Whether one of them is this directory.
  [[nodiscard]] bool contains(const directory_reader& other) const noexcept {
    return std::any_of(list_.begin(), list_.end(), [&](const auto& one) {
      return one->reader.is_same_directory(other);
    });
  }

  void push(std::unique_ptr<level> made) {
    list_.push_back(std::move(made));
    if (list_.size() > most_open_) list_[list_.size() - 1 - most_open_]->reader.close();
  }
  void pop() noexcept { list_.pop_back(); }

 private:
  std::vector<std::unique_ptr<level>> list_;
  std::size_t most_open_;
};

}  // namespace

async_generator<walk_entry&> walk(std::string root, walk_options options) {
  walk_access access;
  levels open(options.most_open);
  std::string path = std::move(root);
  const bool has_zero = path.find('\0') != std::string::npos;

  detail::check_current_tasklet();
  detail::file_type_call root_type(path.c_str());
  int result = -EINVAL;
  if (!has_zero) result = co_await blocking_operation(root_type, path.c_str());
  if (result < 0) {
    walk_entry& failed = access.describe_failure(path, 0, 0, result);
    co_yield failed;
    co_return;
  }
  walk_entry& first = access.describe(path, 0, 0, root_type.type());
  co_yield first;
  if (root_type.type() != file_type::directory || access.is_skipped()) co_return;

  // The directory at `path`, whose name begins there, is to be entered.
  bool enters = true;
  std::size_t name_at = 0;
  for (;;) {
    if (enters) {
      enters = false;
      auto made = std::make_unique<level>();
      made->path_size = path.size();
      made->name_at = name_at;
      const directory_reader* const parent = open.empty() ? nullptr : &open.top().reader;
      detail::open_directory_call opening(
          made->reader, parent, parent == nullptr ? path.c_str() : path.c_str() + name_at
      );
      result = co_await blocking_operation(opening, path.c_str());
      const bool elsewhere = result >= 0 && options.one_file_system && !open.empty() &&
                             !open.top().reader.is_on_same_device(made->reader);
      if (result >= 0 && open.contains(made->reader)) result = -ELOOP;
      if (result < 0) {
        walk_entry& failed = access.describe_failure(path, name_at, open.depth(), result);
        co_yield failed;
      } else if (!elsewhere) {
        open.push(std::move(made));
      }
      if (open.empty()) co_return;
      continue;
    }

    level& top = open.top();
    path.resize(top.path_size);
    const detail::directory_record* const record = top.reader.next();
    if (record != nullptr) {
      if (path.empty() || path.back() != '/') path.push_back('/');
      name_at = path.size();
      path.append(record->name);
      walk_entry& entry = access.describe(path, name_at, open.depth(), record->type);
      const bool is_directory = record->type == file_type::directory;
      co_yield entry;
      enters = is_directory && !access.is_skipped();
      continue;
    }
    if (!top.reader.at_end()) {
      detail::read_directory_call reading(top.reader);
      result = co_await blocking_operation(reading, path.c_str());
      if (result < 0) {
        walk_entry& failed = access.describe_failure(path, top.name_at, open.depth() - 1, result);
        co_yield failed;
      }
      continue;
    }

    if (options.report_leaving) {
      walk_entry& left = access.describe_leaving(path, top.name_at, open.depth() - 1);
      co_yield left;
    }
    if (open.depth() > 1 && !open.above_top().reader.is_open()) {
      level& parent = open.above_top();
      path.resize(parent.path_size);
      detail::reopen_directory_call reopening(parent.reader, top.reader, path.c_str());
      result = co_await blocking_operation(reopening, path.c_str());
      if (result < 0) {
        walk_entry& failed =
            access.describe_failure(path, parent.name_at, open.depth() - 2, result);
        co_yield failed;
      }
    }
    open.pop();
    if (open.empty()) co_return;
  }
}

}  // namespace stackless::inline STACKLESS_ABI::io
