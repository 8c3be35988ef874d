#pragma once

#include <stackless/detail/config.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <system_error>

namespace stackless::inline STACKLESS_ABI::tls {

/// What went wrong, in a few kinds: conditions, to which the many codes of OpenSSL compare equal,
/// as in `error.code() == tls::errc::wrong_host`.
enum class errc {
  truncated = 1,          ///< the connection ended and the peer had not said that it would
  not_tls,                ///< what the peer sent is no TLS
  no_common_protocol,     ///< no version, cipher or application protocol that both have
  certificate_expired,    ///< or not valid yet
  wrong_host,             ///< the certificate is for other hosts
  untrusted_certificate,  ///< any other reason why it was not accepted
  refused_by_peer         ///< the peer ended it with an alert, which the message names
};

/// The category of `errc`.
[[nodiscard]] const std::error_category& category() noexcept;
[[nodiscard]] std::error_condition make_error_condition(errc kind) noexcept;

/// The category of codes from OpenSSL's error queue.
[[nodiscard]] const std::error_category& openssl_category() noexcept;
/// The category of its reasons not to accept a certificate (`X509_V_ERR_…`).
[[nodiscard]] const std::error_category& verification_category() noexcept;

/// A failed operation of TLS, as in `tls handshake "localhost": certificate verify failed: hostname
/// mismatch`. What the connection beneath reports is its own `io::io_error`.
class tls_error : public std::system_error {
 public:
  /// `detail`: what else the error queue held.
  tls_error(
      std::error_code code,
      const char* operation,
      const std::string& subject,
      std::string_view detail = {}
  );

  /// The operation's name, such as "handshake" or "read".
  [[nodiscard]] const char* operation() const noexcept { return operation_; }
  /// The host that a client wants to talk to; a file of a context. May be empty.
  [[nodiscard]] const std::string& subject() const noexcept { return *subject_; }

 private:
  std::shared_ptr<const std::string> subject_;  // copying an exception must not throw
  const char* operation_;
};

}  // namespace stackless::inline STACKLESS_ABI::tls

template <>
struct std::is_error_condition_enum<stackless::tls::errc> : std::true_type {};
