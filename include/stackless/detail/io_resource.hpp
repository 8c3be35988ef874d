#pragma once

#include <stackless/detail/io_port.hpp>

#include <cstdint>
#include <string>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {

class stream_receiver;

/// Which half of a stream an interrupted transfer has left at an unknown position.
enum io_direction : std::uint8_t { reading = 1, writing = 2 };

/// An open descriptor with what must outlive its handle: it is never closed under an operation.
/// Shared, without locks, by the handle and the operations of one thread.
class io_resource final : public wait_object {
 public:
  enum class kind : std::uint8_t { file, listener, stream, datagram };

  io_resource(kind what, std::string name) noexcept : name_(std::move(name)), kind_(what) {}

  int descriptor = -1;
  std::uint32_t in_flight = 0;
  std::uint8_t broken = 0;             ///< `io_direction`s
  bool is_direct = false;              ///< opened for direct I/O
  std::uint32_t memory_alignment = 0;  ///< of direct I/O; 0: not known
  std::uint32_t offset_alignment = 0;
  bool closing = false;                 ///< no operation may begin any more
  std::uint16_t non_blocking_uses = 0;  ///< copies that need it so
  bool was_blocking = false;            ///< the last of them makes it so again
  bool ends_waits = false;  ///< when its handle is gone, who waits gets `operation_canceled`

  void retain() noexcept { ++references_; }
  void release() noexcept {
    if (--references_ == 0) delete this;
  }

  void operation_finished() noexcept;

  /// The handle is gone: closes now, or after the last operation in flight.
  void abandon() noexcept;

  /// Whether offsets mean anything: io_uring ignores them on pipes.
  [[nodiscard]] bool is_seekable() noexcept;

  /// Of a stream that was received from with a pool: nothing else may read it. Made by the first.
  stream_receiver* receiver = nullptr;

  /// Who waits in `close()` for the operations in flight to end; one at most.
  wait* closer = nullptr;

  /// Its handle is gone.
  [[nodiscard]] bool is_abandoned() const noexcept { return abandoned_; }
  [[nodiscard]] bool is_stream() const noexcept { return kind_ == kind::stream; }
  [[nodiscard]] bool is_file() const noexcept { return kind_ == kind::file; }

  /// A file's path, a listener's own address, a stream's peer, a datagram socket's peer or own.
  [[nodiscard]] std::string name() const;
  [[nodiscard]] const std::string& path() const noexcept { return name_; }
  /// For who tells of it after the descriptor was closed.
  void keep_name() noexcept;

  [[nodiscard]] bool withdraw(wait& w) noexcept override;
  void describe(object_info& info, std::vector<const void*>& handles) const override;

 private:
  ~io_resource();

  std::string name_;  // empty: the kernel knows it
  std::uint32_t references_ = 1;
  kind kind_;
  bool abandoned_ = false;
  bool known_seekable_ = false;
};

/// Counts as a user of the resource, without owning the descriptor.
class io_reference {
 public:
  explicit io_reference(io_resource* resource) noexcept : resource_(resource) {
    if (resource_ != nullptr) resource_->retain();
  }
  io_reference(const io_reference& other) noexcept : io_reference(other.resource_) {}
  io_reference& operator=(const io_reference&) = delete;
  ~io_reference() {
    if (resource_ != nullptr) resource_->release();
  }

  [[nodiscard]] io_resource* get() const noexcept { return resource_; }
  io_resource* operator->() const noexcept { return resource_; }

 private:
  io_resource* resource_;
};

/// Owns the descriptor. Empty: nothing was opened, or it was moved from.
class io_handle {
 public:
  io_handle() noexcept = default;
  explicit io_handle(io_resource* resource) noexcept : resource_(resource) {}
  io_handle(io_handle&& other) noexcept : resource_(std::exchange(other.resource_, nullptr)) {}
  io_handle& operator=(io_handle&& other) noexcept {
    if (this != &other) {
      reset();
      resource_ = std::exchange(other.resource_, nullptr);
    }
    return *this;
  }
  ~io_handle() { reset(); }

  /// \throws std::bad_alloc
  [[nodiscard]] static io_handle make(io_resource::kind kind, std::string name) {
    return io_handle(new io_resource(kind, std::move(name)));
  }

  [[nodiscard]] io_resource* get() const noexcept { return resource_; }
  io_resource* operator->() const noexcept { return resource_; }
  [[nodiscard]] bool is_open() const noexcept {
    return resource_ != nullptr && resource_->descriptor >= 0 && !resource_->closing;
  }
  [[nodiscard]] int descriptor() const noexcept { return is_open() ? resource_->descriptor : -1; }

 private:
  void reset() noexcept {
    if (resource_ == nullptr) return;
    resource_->abandon();
    std::exchange(resource_, nullptr)->release();
  }

  io_resource* resource_ = nullptr;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
