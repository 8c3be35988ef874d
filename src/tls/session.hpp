#pragma once

#include <stackless/detail/tls_transport.hpp>
#include <stackless/io/bytes.hpp>
#include <stackless/sync/mutex.hpp>
#include <stackless/task.hpp>

#include "engine.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace stackless::inline STACKLESS_ABI::detail {

/// Moves the records of an engine over a transport: what a TLS stream is a handle of. Operations
/// keep it alive.
///
/// Nobody holds `reading_turn_` while he waits for `writing_turn_`; the other order is permitted.
class tls_session {
 public:
  tls_session(
      std::unique_ptr<tls_transport> carrier,
      std::shared_ptr<const tls_settings> settings,
      std::string host
  );

  task<> handshake();
  task<> read(io::mutable_bytes into, std::size_t* done);
  /// As `read`, and true; or false, when it would wait for the peer.
  task<bool> read_available(io::mutable_bytes into, std::size_t* done);
  /// Whether `read` would not need the carrier.
  [[nodiscard]] bool can_read() { return !established_ || engine_.can_read(); }
  task<> write(io::const_bytes from, std::size_t* done);
  task<> flush();
  task<> send_close();
  task<> update_keys();
  task<> close();

  [[nodiscard]] bool is_closed() const noexcept { return closed_; }
  [[nodiscard]] const tls_engine& engine() const noexcept { return engine_; }
  [[nodiscard]] tls_transport& carrier() const noexcept { return *carrier_; }

  std::uint8_t broken = 0;  ///< `io_direction`s that were left in the middle

 private:
  task<> receive(std::uint64_t seen);
  task<> send();
  task<> send_alert();
  task<> say_goodbye();
  /// Repeats a step of the engine that may have to wait for input. To be called with
  /// `writing_turn_`.
  template <class Step>
  task<> complete(Step step);

  std::unique_ptr<tls_transport> carrier_;
  tls_engine engine_;
  mutex handshake_turn_;
  mutex reading_turn_;
  mutex writing_turn_;
  bool established_ = false;  ///< the handshake is done, and the peer knows
  bool closed_ = false;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
