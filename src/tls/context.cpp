#include <stackless/tls/context.hpp>

#include "openssl.hpp"

#include <new>
#include <stdexcept>
#include <utility>

#include <openssl/err.h>

namespace stackless::inline STACKLESS_ABI::tls {

using detail::tls_settings;

namespace {

// A key with a passphrase would have OpenSSL ask for it on the terminal, and everybody wait.
int no_passphrase(char*, int, int, void*) noexcept {
  return -1;
}

int choose_protocol(
    SSL*,
    const unsigned char** chosen,
    unsigned char* length,
    const unsigned char* offered,
    unsigned int offered_length,
    void* argument
) noexcept {
  const std::string& ours = static_cast<const tls_settings*>(argument)->protocols;
  unsigned char* found = nullptr;
  const int result = ::SSL_select_next_proto(
      &found, length, reinterpret_cast<const unsigned char*>(ours.data()),
      static_cast<unsigned int>(ours.size()), offered, offered_length
  );
  if (result != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

std::shared_ptr<tls_settings> make_settings(bool is_server) {
  ::ERR_clear_error();
  auto settings = std::make_shared<tls_settings>();
  settings->is_server = is_server;
  settings->context.reset(::SSL_CTX_new(is_server ? ::TLS_server_method() : ::TLS_client_method()));
  SSL_CTX* const made = settings->context.get();
  if (made == nullptr) detail::throw_queued_error("make context", {});
  ::SSL_CTX_set_min_proto_version(made, TLS1_2_VERSION);
  // Renegotiation (TLS 1.2) would have writes wait for reads; nobody needs it.
  ::SSL_CTX_set_options(made, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  ::SSL_CTX_set_mode(
      made,
      SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
  );
  ::SSL_CTX_set_default_passwd_cb(made, &no_passphrase);
  // Sessions with client certificates are not resumed without one.
  static constexpr unsigned char id[] = "stackless";
  ::SSL_CTX_set_session_id_context(made, id, sizeof id - 1);
  return settings;
}

}  // namespace

context::context(std::shared_ptr<tls_settings> settings) noexcept
    : settings_(std::move(settings)) {}

context context::client() {
  context made(make_settings(false));
  made.set_verification(verification::required);
  if (::SSL_CTX_set_default_verify_paths(made.settings_->context.get()) != 1)
    detail::throw_queued_error("trust the system", {});
  return made;
}

context context::client(const std::string& trusted_file) {
  context made(make_settings(false));
  made.set_verification(verification::required);
  made.trust(trusted_file);
  return made;
}

context context::server(const std::string& certificate_file, const std::string& key_file) {
  context made(make_settings(true));
  made.use_certificate(certificate_file, key_file);
  return made;
}

void context::trust(const std::string& file) {
  ::ERR_clear_error();
  SSL_CTX* const target = settings_->context.get();
  if (::SSL_CTX_load_verify_file(target, file.c_str()) != 1)
    detail::throw_queued_error("trust", file);
  if (!settings_->is_server) return;
  // A server tells its clients whose certificates it takes.
  STACK_OF(X509_NAME)* const before = ::SSL_CTX_get_client_CA_list(target);
  STACK_OF(X509_NAME)* const names =
      before == nullptr ? sk_X509_NAME_new_null() : ::SSL_dup_CA_list(before);
  if (names == nullptr) throw std::bad_alloc();
  const bool added = ::SSL_add_file_cert_subjects_to_stack(names, file.c_str()) == 1;
  ::SSL_CTX_set_client_CA_list(target, names);  // which owns it
  if (!added) detail::throw_queued_error("trust", file);
}

void context::use_certificate(const std::string& certificate_file, const std::string& key_file) {
  ::ERR_clear_error();
  SSL_CTX* const target = settings_->context.get();
  if (::SSL_CTX_use_certificate_chain_file(target, certificate_file.c_str()) != 1)
    detail::throw_queued_error("use certificate", certificate_file);
  // Fails as well when the key is that of another certificate.
  if (::SSL_CTX_use_PrivateKey_file(target, key_file.c_str(), SSL_FILETYPE_PEM) != 1)
    detail::throw_queued_error("use key", key_file);
}

void context::set_verification(verification who) {
  if (who == verification::optional && !settings_->is_server)
    throw std::logic_error("verification::optional is for servers: every server has a certificate");
  int mode = SSL_VERIFY_NONE;
  if (who != verification::none) mode = SSL_VERIFY_PEER;
  if (who == verification::required) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  ::SSL_CTX_set_verify(settings_->context.get(), mode, nullptr);
  settings_->who = who;
}

void context::set_minimum_version(version lowest) {
  ::SSL_CTX_set_min_proto_version(
      settings_->context.get(), lowest == version::tls_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION
  );
}

void context::set_protocols(const std::vector<std::string>& names) {
  std::string wire;
  for (const std::string& name : names) {
    if (name.empty() || name.size() > 255)
      throw std::logic_error(
          "a protocol's name has 1 to 255 bytes, and not " + std::to_string(name.size())
      );
    wire += static_cast<char>(static_cast<unsigned char>(name.size()));
    wire += name;
  }
  if (wire.size() > 65'535) throw std::logic_error("too many protocols");
  SSL_CTX* const target = settings_->context.get();
  // Of all of OpenSSL's functions this one gives 0 for success.
  if (!settings_->is_server && ::SSL_CTX_set_alpn_protos(
                                   target, reinterpret_cast<const unsigned char*>(wire.data()),
                                   static_cast<unsigned int>(wire.size())
                               ) != 0)
    throw std::bad_alloc();
  settings_->protocols = std::move(wire);
  if (settings_->is_server)
    ::SSL_CTX_set_alpn_select_cb(
        target, settings_->protocols.empty() ? nullptr : &choose_protocol, settings_.get()
    );
}

bool context::is_server() const noexcept {
  return settings_->is_server;
}

}  // namespace stackless::inline STACKLESS_ABI::tls
