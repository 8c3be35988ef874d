#pragma once

#include <stackless/detail/config.hpp>

#include <cstddef>
#include <memory>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {

/// A queue in a circular array of a power of two; it grows on demand and never shrinks.
template <class T>
class ring_buffer {
 public:
  ring_buffer() noexcept = default;
  ring_buffer(const ring_buffer&) = delete;
  ring_buffer& operator=(const ring_buffer&) = delete;
  ~ring_buffer() {
    while (first_ != end_) pop_front();
    if (data_ != nullptr) std::allocator<T>().deallocate(data_, room_);
  }

  void swap(ring_buffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(room_, other.room_);
    std::swap(first_, other.first_);
    std::swap(end_, other.end_);
  }

  [[nodiscard]] T& front() noexcept { return data_[first_ & (room_ - 1)]; }

  void pop_front() noexcept {
    std::destroy_at(&front());
    ++first_;
  }

  /// \throws std::bad_alloc, or what moving a T throws; nothing has changed then
  void push_back(T&& value) {
    if (end_ - first_ == room_) [[unlikely]]
      grow();
    std::construct_at(data_ + (end_ & (room_ - 1)), std::move(value));
    ++end_;
  }

 private:
  void grow() {
    const std::size_t larger = room_ == 0 ? 8 : 2 * room_;
    T* data = std::allocator<T>().allocate(larger);
    const std::size_t count = end_ - first_;
    std::size_t moved = 0;
    try {
      for (; moved < count; ++moved)
        std::construct_at(
            data + moved, std::move_if_noexcept(data_[(first_ + moved) & (room_ - 1)])
        );
    } catch (...) {
      std::destroy_n(data, moved);
      std::allocator<T>().deallocate(data, larger);
      throw;
    }
    for (std::size_t i = 0; i < count; ++i) std::destroy_at(data_ + ((first_ + i) & (room_ - 1)));
    if (data_ != nullptr) std::allocator<T>().deallocate(data_, room_);
    data_ = data;
    room_ = larger;
    first_ = 0;
    end_ = count;
  }

  T* data_ = nullptr;
  std::size_t room_ = 0;
  std::size_t first_ = 0;
  std::size_t end_ = 0;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
