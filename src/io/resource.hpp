#pragma once

#include <stackless/detail/io_resource.hpp>
#include <stackless/io/bytes.hpp>
#include <stackless/task.hpp>

#include <cstddef>
#include <cstdint>
#include <system_error>

namespace stackless::inline STACKLESS_ABI::detail {

/// Ends the operations in flight, then closes. Whatever is thrown at it, the descriptor is closed
/// or will be with its last operation.
task<> close_resource(io_resource* resource, std::error_code* error);

/// A transfer of several steps. If it is left in the middle and the caller has no count, nobody
/// knows the stream's position any more: it is marked broken. Keeps the resource: its handle may be
/// moved or destroyed meanwhile.
class whole_transfer {
 public:
  /// `directions`: `io_direction`s to mark; none for transfers at given offsets.
  whole_transfer(
      io_resource* resource, int directions, std::size_t size, std::size_t* done
  ) noexcept;
  whole_transfer(const whole_transfer&) = delete;
  whole_transfer& operator=(const whole_transfer&) = delete;
  ~whole_transfer();

  [[nodiscard]] bool complete() const noexcept { return moved == size_; }

  /// No step moved anything: the input has ended. \throws io::io_error
  [[noreturn]] void throw_end_of_file(const char* operation);

  std::size_t moved = 0;

 private:
  io_reference resource_;
  std::size_t* done_;
  std::size_t size_;
  int directions_;
};

/// The cancel point of a transfer of no bytes.
void check_current_tasklet();

}  // namespace stackless::inline STACKLESS_ABI::detail
