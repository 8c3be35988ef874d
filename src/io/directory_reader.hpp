#pragma once

#include <stackless/detail/io_port.hpp>
#include <stackless/io/descriptor.hpp>
#include <stackless/io/file_status.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace stackless::inline STACKLESS_ABI::detail {

struct directory_record {
  std::string_view name;  // with a 0 behind it
  io::file_type type = io::file_type::unknown;
};

/// An open directory, and a block of its entries. What blocks is in the calls below; each of them
/// gives 0, or a negated errno after which it is at its end.
class directory_reader {
 public:
  /// The next of the block; null: read on, or it is at its end. "." and ".." are left out.
  [[nodiscard]] const directory_record* next() noexcept;
  [[nodiscard]] bool at_end() const noexcept { return at_end_; }
  [[nodiscard]] bool is_open() const noexcept { return descriptor_.is_open(); }

  /// To be opened again by `reopen`; what has been read stays.
  void close() noexcept { descriptor_ = {}; }

  [[nodiscard]] bool is_same_directory(const directory_reader& other) const noexcept {
    return device_ == other.device_ && inode_ == other.inode_;
  }
  [[nodiscard]] bool is_on_same_device(const directory_reader& other) const noexcept {
    return device_ == other.device_;
  }

 private:
  friend class open_directory_call;
  friend class read_directory_call;
  friend class reopen_directory_call;

  int open(int at, const char* name) noexcept;
  int read_block() noexcept;
  int reopen(const directory_reader& child, const char* path) noexcept;
  int fail(int result) noexcept;
  void find_types() noexcept;

  io::owned_descriptor descriptor_;
  std::unique_ptr<std::byte[]> block_;
  std::size_t used_ = 0;
  std::size_t position_ = 0;
  std::int64_t resume_at_ = 0;  // where in the directory the block ends
  std::uint64_t device_ = 0;
  std::uint64_t inode_ = 0;
  bool at_end_ = false;
  directory_record record_;
};

/// Opens it, which must not be a symbolic link, and reads a first block. Without a parent the name
/// is a path.
class open_directory_call final : public blocking_call {
 public:
  open_directory_call(
      directory_reader& reader, const directory_reader* parent, const char* where
  ) noexcept
      : blocking_call("walk"), reader_(reader), parent_(parent), where_(where) {}
  int perform() noexcept override;

 private:
  directory_reader& reader_;
  const directory_reader* parent_;
  const char* where_;
};

class read_directory_call final : public blocking_call {
 public:
  explicit read_directory_call(directory_reader& reader) noexcept
      : blocking_call("walk"), reader_(reader) {}
  int perform() noexcept override { return reader_.read_block(); }

 private:
  directory_reader& reader_;
};

/// Opens it once more, where it stood, from a directory in it. -ESTALE: it is not there any more.
class reopen_directory_call final : public blocking_call {
 public:
  reopen_directory_call(
      directory_reader& reader, const directory_reader& child, const char* path
  ) noexcept
      : blocking_call("walk"), reader_(reader), child_(child), path_(path) {}
  int perform() noexcept override { return reader_.reopen(child_, path_); }

 private:
  directory_reader& reader_;
  const directory_reader& child_;
  const char* path_;
};

/// What is at a path, without following a symbolic link.
class file_type_call final : public blocking_call {
 public:
  explicit file_type_call(const char* path) noexcept : blocking_call("walk"), path_(path) {}
  int perform() noexcept override;
  [[nodiscard]] io::file_type type() const noexcept { return type_; }

 private:
  const char* path_;
  io::file_type type_ = io::file_type::unknown;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
