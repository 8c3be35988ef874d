#pragma once

#include <stackless/tls/context.hpp>
#include <stackless/tls/error.hpp>

#include <memory>
#include <string>
#include <system_error>

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

namespace stackless::inline STACKLESS_ABI::detail {

template <auto Free>
struct openssl_delete {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};
using owned_ssl_context = std::unique_ptr<SSL_CTX, openssl_delete<&SSL_CTX_free>>;
using owned_ssl = std::unique_ptr<SSL, openssl_delete<&SSL_free>>;
using owned_bio = std::unique_ptr<BIO, openssl_delete<&BIO_free>>;
using owned_x509 = std::unique_ptr<X509, openssl_delete<&X509_free>>;

/// What a context is a handle of.
struct tls_settings {
  owned_ssl_context context;
  bool is_server = false;
  tls::verification who = tls::verification::none;
  std::string protocols;  ///< as on the wire: each after its length
};

/// What OpenSSL's error queue of this thread says, which is empty then.
struct queued_error {
  std::error_code code;            ///< the first entry, which is the cause of the others
  std::string detail;              ///< the others
  bool about_certificate = false;  ///< that the peer's was not accepted is among them
};
[[nodiscard]] queued_error take_queued_error();

[[noreturn]] void throw_queued_error(const char* operation, const std::string& subject);

}  // namespace stackless::inline STACKLESS_ABI::detail
