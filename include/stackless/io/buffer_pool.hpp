#pragma once

#include <stackless/detail/config.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {
class buffer_pool_state;
struct pooled_access;
}  // namespace stackless::inline STACKLESS_ABI::detail

namespace stackless::inline STACKLESS_ABI::io {

/// Bytes that `receive` gave, in a buffer of a pool: the buffer goes back when this is destroyed or
/// assigned to. Empty: the peer has finished. Move-only; a range of bytes, so that `write_all` and
/// the like take it.
///
/// **Lifetime**: may outlive the stream, the pool's handles and the scheduler: the pool's memory
/// lives as long as it does.
/// **Threads**: those of its pool.
class pooled_bytes {
 public:
  pooled_bytes() noexcept = default;
  pooled_bytes(pooled_bytes&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        index_(other.index_),
        origin_(std::exchange(other.origin_, nullptr)) {}
  pooled_bytes& operator=(pooled_bytes&& other) noexcept {
    if (this != &other) {
      reset();
      data_ = std::exchange(other.data_, nullptr);
      size_ = std::exchange(other.size_, 0);
      index_ = other.index_;
      origin_ = std::exchange(other.origin_, nullptr);
    }
    return *this;
  }
  ~pooled_bytes() { reset(); }

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  explicit operator bool() const noexcept { return !empty(); }
  [[nodiscard]] std::byte* begin() const noexcept { return data_; }
  [[nodiscard]] std::byte* end() const noexcept { return data_ + size_; }
  [[nodiscard]] std::string_view text() const noexcept {
    return {reinterpret_cast<const char*>(data_), size_};
  }

  /// Forgets the first `count` bytes, of those that it has.
  void remove_prefix(std::size_t count) noexcept {
    data_ += count;
    size_ -= static_cast<std::uint32_t>(count);
  }

  /// Gives the buffer back now.
  void reset() noexcept {
    if (origin_ != nullptr) give_back();
  }

 private:
  friend struct detail::pooled_access;
  void give_back() noexcept;

  std::byte* data_ = nullptr;
  std::uint32_t size_ = 0;
  std::uint32_t index_ = 0;
  void* origin_ = nullptr;  // the pool, or memory of its own
};

/// Buffers that the connections of one scheduler receive into, in place of one each: a connection
/// that waits holds none. A shared handle: copies are the same pool.
///
/// A `receive` that finds every buffer taken waits for one, first come, first served. Bytes that
/// have come for tasklets that do not receive at the moment take none away from those who do: they
/// are moved to memory of their size. Those in hands of the program do; when no receive can go on
/// because of that, it is a deadlock like any other.
///
/// **Lifetime**: its memory lives until the handles, the bytes in use, and the streams that have
/// received from it are gone. Memory that was never received into is not used.
/// **Threads**: of one scheduler at a time; another may use it when that has ended.
class buffer_pool {
 public:
  static constexpr std::size_t most_buffers = 32'768;

  /// `count` buffers, 1 to `most_buffers`, of `size` bytes, 1 to 1 GiB.
  /// \throws std::invalid_argument, std::bad_alloc
  explicit buffer_pool(std::size_t count = 256, std::size_t size = std::size_t{16} * 1024);
  buffer_pool(const buffer_pool& other) noexcept;
  buffer_pool(buffer_pool&& other) noexcept : buffer_pool(std::as_const(other)) {}
  buffer_pool& operator=(const buffer_pool& other) noexcept;
  ~buffer_pool();

  [[nodiscard]] std::size_t count() const noexcept;
  [[nodiscard]] std::size_t buffer_size() const noexcept;
  /// Buffers without bytes in them.
  [[nodiscard]] std::size_t available() const noexcept;

 private:
  friend struct detail::pooled_access;
  detail::buffer_pool_state* state_;
};

}  // namespace stackless::inline STACKLESS_ABI::io
