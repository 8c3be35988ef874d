#pragma once

#include <stackless/io/bytes.hpp>
#include <stackless/tls/certificate.hpp>
#include <stackless/tls/error.hpp>

#include "openssl.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

namespace stackless::inline STACKLESS_ABI::detail {

/// How far a step of the protocol came.
enum class tls_step : std::uint8_t {
  done,
  wants_input,  ///< nothing can be done before more has come
  ended         ///< the peer has said that nothing more will come
};

/// One end of a TLS connection as a machine without I/O: records go in and come out through memory.
/// Steps of reading and writing may alternate as they like. A step that fails raises
/// `tls_error`, as does every one after it.
class tls_engine {
 public:
  tls_engine(std::shared_ptr<const tls_settings> settings, std::string host);
  tls_engine(const tls_engine&) = delete;
  tls_engine& operator=(const tls_engine&) = delete;

  // --- steps ------------------------------------------------------------------------------------

  tls_step handshake();
  tls_step read(io::mutable_bytes into, std::size_t& moved);
  /// Whether `read` would not want input. Takes a step for that, which may fail: `read` raises it.
  [[nodiscard]] bool can_read() noexcept;
  /// Takes `longest_write` bytes at most.
  tls_step write(io::const_bytes from, std::size_t& moved);
  tls_step send_close();
  tls_step update_keys();

  static constexpr std::size_t longest_write = 65'536;

  // --- records ----------------------------------------------------------------------------------

  /// Where records are to be put that come in. Valid until `received`.
  [[nodiscard]] io::mutable_bytes room();
  /// So many bytes were put there.
  void received(std::size_t count) noexcept;
  /// The connection has ended: none will come.
  void end_input() noexcept { input_ended_ = true; }
  /// Grows with everything that comes.
  [[nodiscard]] std::uint64_t inputs() const noexcept { return inputs_; }

  /// What is to go out next. Stays where it is, whatever is done, until all of it was `sent`.
  [[nodiscard]] io::const_bytes output();
  void sent(std::size_t count) noexcept;
  /// Of what is to go out, how much answers what was read and did not come from a write.
  [[nodiscard]] std::size_t replies_size() const noexcept { return replies_; }

  // --- what is known ----------------------------------------------------------------------------

  [[nodiscard]] bool connected() const noexcept { return connected_; }
  [[nodiscard]] bool failed() const noexcept { return static_cast<bool>(failure_); }
  [[nodiscard]] bool close_sent() const noexcept;
  /// The last thing in the handshake is what this side has sent, and the peer can do without it.
  [[nodiscard]] bool output_may_wait() const noexcept;
  [[nodiscard]] const std::string& host() const noexcept { return host_; }
  [[nodiscard]] SSL* ssl() const noexcept { return ssl_.get(); }

 private:
  struct bio;

  tls_step settle(int result, const char* operation, bool may_end = false);
  [[noreturn]] void fail(std::error_code code, const char* operation, const std::string& detail);
  void check(const char* operation) const;

  std::shared_ptr<const tls_settings> settings_;  // the context refers to them
  std::string host_;
  owned_ssl ssl_;
  std::unique_ptr<std::byte[]> input_;
  std::size_t input_begin_ = 0;
  std::size_t input_end_ = 0;
  std::uint64_t inputs_ = 0;
  std::vector<std::byte> filling_;  // what OpenSSL adds to
  std::vector<std::byte> sending_;  // what the kernel may be reading
  std::size_t sent_ = 0;
  std::size_t replies_ = 0;  // in `filling_`
  std::error_code failure_;
  std::string failure_detail_;
  bool connected_ = false;
  bool input_ended_ = false;
  bool out_of_memory_ = false;
};

[[nodiscard]] std::optional<tls::certificate> peer_certificate_of(SSL* ssl);

}  // namespace stackless::inline STACKLESS_ABI::detail
