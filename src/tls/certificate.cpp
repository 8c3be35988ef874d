#include <stackless/tls/certificate.hpp>

#include "engine.hpp"

#include <array>
#include <ctime>

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

std::string text_of(X509_NAME* name) {
  const owned_bio memory(::BIO_new(::BIO_s_mem()));
  if (memory == nullptr) throw std::bad_alloc();
  // As RFC 2253, but letters that are not ASCII stay readable.
  if (::X509_NAME_print_ex(
          memory.get(), name, 0, XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB)
      ) < 0)
    throw_queued_error("read certificate", {});
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

std::chrono::system_clock::time_point time_of(const ASN1_TIME* time) {
  std::tm calendar{};
  if (::ASN1_TIME_to_tm(time, &calendar) != 1) throw_queued_error("read certificate", {});
  return std::chrono::system_clock::from_time_t(::timegm(&calendar));
}

std::string bytes_of(const ASN1_STRING* text) {
  return {
      reinterpret_cast<const char*>(::ASN1_STRING_get0_data(text)),
      static_cast<std::size_t>(::ASN1_STRING_length(text))
  };
}

std::vector<std::string> hosts_of(X509* from) {
  std::vector<std::string> hosts;
  const std::unique_ptr<GENERAL_NAMES, openssl_delete<&GENERAL_NAMES_free>> names(
      static_cast<GENERAL_NAMES*>(::X509_get_ext_d2i(from, NID_subject_alt_name, nullptr, nullptr))
  );
  if (names == nullptr) return hosts;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) {
      hosts.push_back(bytes_of(name->d.dNSName));
    } else if (name->type == GEN_IPADD) {
      const std::string address = bytes_of(name->d.iPAddress);
      std::array<char, INET6_ADDRSTRLEN> text{};
      if (::inet_ntop(
              address.size() == 4 ? AF_INET : AF_INET6, address.data(), text.data(), text.size()
          ) != nullptr &&
          (address.size() == 4 || address.size() == 16))
        hosts.emplace_back(text.data());
    }
  }
  return hosts;
}

std::string sha256_of(X509* from) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (::X509_digest(from, ::EVP_sha256(), digest.data(), &size) != 1)
    throw_queued_error("read certificate", {});
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (unsigned int i = 0; i < size; ++i) {
    text += digits[digest[i] >> 4];
    text += digits[digest[i] & 15];
  }
  return text;
}

}  // namespace

std::optional<tls::certificate> peer_certificate_of(SSL* ssl) {
  const owned_x509 shown(::SSL_get1_peer_certificate(ssl));
  if (shown == nullptr) return std::nullopt;
  tls::certificate result;
  result.subject = text_of(::X509_get_subject_name(shown.get()));
  result.issuer = text_of(::X509_get_issuer_name(shown.get()));
  result.hosts = hosts_of(shown.get());
  result.not_before = time_of(::X509_get0_notBefore(shown.get()));
  result.not_after = time_of(::X509_get0_notAfter(shown.get()));
  result.sha256 = sha256_of(shown.get());
  return result;
}

}  // namespace stackless::inline STACKLESS_ABI::detail
