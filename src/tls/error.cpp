#include <stackless/tls/error.hpp>

#include "openssl.hpp"

#include <cerrno>
#include <new>

#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509_vfy.h>

namespace stackless::inline STACKLESS_ABI {

namespace tls {

namespace {

class kind_category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "stackless.tls"; }
  [[nodiscard]] std::string message(int kind) const override {
    switch (static_cast<errc>(kind)) {
    case errc::truncated:
      return "the connection ended without a close_notify";
    case errc::not_tls:
      return "what the peer sent is no TLS";
    case errc::no_common_protocol:
      return "no version, cipher or application protocol in common";
    case errc::certificate_expired:
      return "the certificate has expired, or is not valid yet";
    case errc::wrong_host:
      return "the certificate is for other hosts";
    case errc::untrusted_certificate:
      return "the certificate is not trusted";
    case errc::refused_by_peer:
      return "the peer refused";
    }
    return "unknown error";
  }
};

errc kind_of_reason(int reason) noexcept {
  switch (reason) {
  case SSL_R_UNEXPECTED_EOF_WHILE_READING:
    return errc::truncated;
  case SSL_R_WRONG_VERSION_NUMBER:  // of a record: an answer in plain text, as a rule
  case SSL_R_HTTP_REQUEST:
  case SSL_R_HTTPS_PROXY_REQUEST:
  case SSL_R_PACKET_LENGTH_TOO_LONG:
  case SSL_R_RECORD_LENGTH_MISMATCH:
  case SSL_R_BAD_RECORD_TYPE:
    return errc::not_tls;
  case SSL_R_UNSUPPORTED_PROTOCOL:
  case SSL_R_NO_SHARED_CIPHER:
  case SSL_R_NO_PROTOCOLS_AVAILABLE:
  case SSL_R_NO_APPLICATION_PROTOCOL:
  case SSL_R_UNKNOWN_PROTOCOL:
  case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
  case SSL_R_NO_SUITABLE_KEY_SHARE:
  case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
  case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
#ifdef SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL  // since 3.2
  case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
#else
  case SSL_AD_REASON_OFFSET + SSL_AD_NO_APPLICATION_PROTOCOL:
#endif
    return errc::no_common_protocol;
  case SSL_R_CERTIFICATE_VERIFY_FAILED:
  case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
    return errc::untrusted_certificate;
  default:
    return reason > SSL_AD_REASON_OFFSET ? errc::refused_by_peer : errc{};
  }
}

class queue_category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "openssl"; }
  [[nodiscard]] std::string message(int code) const override {
    const auto packed = static_cast<unsigned long>(code);
    if (const char* const reason = ::ERR_reason_error_string(packed)) return reason;
    return "error " + std::to_string(ERR_GET_REASON(packed)) + " of library " +
           std::to_string(ERR_GET_LIB(packed));
  }
  [[nodiscard]] std::error_condition default_error_condition(int code) const noexcept override {
    const auto packed = static_cast<unsigned long>(code);
    if (ERR_GET_LIB(packed) == ERR_LIB_SSL)
      if (const errc kind = kind_of_reason(ERR_GET_REASON(packed)); kind != errc{}) return kind;
    return {code, *this};
  }
};

class certificate_category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "openssl.verification"; }
  [[nodiscard]] std::string message(int code) const override {
    return std::string("certificate verify failed: ") + ::X509_verify_cert_error_string(code);
  }
  [[nodiscard]] std::error_condition default_error_condition(int code) const noexcept override {
    switch (code) {
    case X509_V_ERR_CERT_NOT_YET_VALID:
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return errc::certificate_expired;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return errc::wrong_host;
    default:
      return errc::untrusted_certificate;
    }
  }
};

std::string describe_failure(
    const char* operation, const std::string& subject, std::string_view detail
) {
  std::string text = std::string("tls ") + operation;
  if (!subject.empty()) text.append(" \"").append(subject).append("\"");
  if (!detail.empty()) text.append(" (").append(detail).append(")");
  return text;
}

}  // namespace

const std::error_category& category() noexcept {
  static const kind_category instance;
  return instance;
}

std::error_condition make_error_condition(errc kind) noexcept {
  return {static_cast<int>(kind), category()};
}

const std::error_category& openssl_category() noexcept {
  static const queue_category instance;
  return instance;
}

const std::error_category& verification_category() noexcept {
  static const certificate_category instance;
  return instance;
}

tls_error::tls_error(
    std::error_code code, const char* operation, const std::string& subject, std::string_view detail
)
    : std::system_error(code, describe_failure(operation, subject, detail)),
      subject_(std::make_shared<const std::string>(subject)),
      operation_(operation) {}

}  // namespace tls

namespace detail {

namespace {

std::error_code code_of_entry(unsigned long packed) noexcept {
  if (ERR_SYSTEM_ERROR(packed)) return {ERR_GET_REASON(packed), std::system_category()};
  return {static_cast<int>(packed), tls::openssl_category()};
}

}  // namespace

queued_error take_queued_error() {
  queued_error result;
  while (const unsigned long packed = ::ERR_get_error()) {
    if (ERR_GET_REASON(packed) == ERR_R_MALLOC_FAILURE) {
      ::ERR_clear_error();
      throw std::bad_alloc();
    }
    const std::error_code code = code_of_entry(packed);
    result.about_certificate |= ERR_GET_LIB(packed) == ERR_LIB_SSL &&
                                ERR_GET_REASON(packed) == SSL_R_CERTIFICATE_VERIFY_FAILED;
    if (!result.code) {
      result.code = code;
    } else if (const std::string text = code.message(); text != result.code.message()) {
      if (!result.detail.empty()) result.detail += ", ";
      result.detail += text;
    }
  }
  if (!result.code) result.code = std::make_error_code(std::errc::protocol_error);
  return result;
}

void throw_queued_error(const char* operation, const std::string& subject) {
  const queued_error error = take_queued_error();
  throw tls::tls_error(error.code, operation, subject, error.detail);
}

}  // namespace detail

}  // namespace stackless::inline STACKLESS_ABI
