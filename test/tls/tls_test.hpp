#pragma once

#include <stackless/tls/tls.hpp>

#include "io/io_test.hpp"
#include "tls/openssl.hpp"

#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace tls_test {

namespace tls = stackless::tls;
using stackless::task;

inline void must(bool worked) {
  if (!worked) throw std::runtime_error("a certificate for the tests could not be made");
}

/// A certificate and its key, made for the tests.
class identity {
 public:
  struct wish {
    std::string name = "localhost";
    std::string hosts = "DNS:localhost,IP:127.0.0.1";  ///< "": it is for nobody
    bool is_root = false;
    int days_from = -1;
    int days_to = 30;
    std::size_t ballast = 0;  ///< bytes of comment that make it long
  };

  /// Signed by `issuer`; null: by itself.
  identity(const wish& w, const identity* issuer)
      : key_(::EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"), &::EVP_PKEY_free),
        x509_(::X509_new(), &::X509_free) {
    static long serial = 1;
    must(key_ && x509_);
    X509* const made = x509_.get();
    ::X509_set_version(made, 2);
    ::ASN1_INTEGER_set(::X509_get_serialNumber(made), serial++);
    ::X509_gmtime_adj(X509_getm_notBefore(made), 86'400L * w.days_from);
    ::X509_gmtime_adj(X509_getm_notAfter(made), 86'400L * w.days_to);
    must(::X509_set_pubkey(made, key_.get()) == 1);
    X509_NAME* const name = ::X509_get_subject_name(made);
    must(
        ::X509_NAME_add_entry_by_txt(
            name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(w.name.c_str()), -1,
            -1, 0
        ) == 1
    );
    ::X509_set_issuer_name(
        made, issuer == nullptr ? name : ::X509_get_subject_name(issuer->x509_.get())
    );
    extend(NID_basic_constraints, w.is_root ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (!w.hosts.empty()) extend(NID_subject_alt_name, w.hosts);
    if (w.ballast != 0) extend(NID_netscape_comment, std::string(w.ballast, 'x'));
    EVP_PKEY* const signer = issuer == nullptr ? key_.get() : issuer->key_.get();
    must(::X509_sign(made, signer, ::EVP_sha256()) != 0);
  }

  void write(const std::string& certificate_file, const std::string& key_file) const {
    save(certificate_file, [&](BIO* to) { return ::PEM_write_bio_X509(to, x509_.get()); });
    save(key_file, [&](BIO* to) {
      return ::PEM_write_bio_PrivateKey(to, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
  }
  void write_locked_key(const std::string& key_file) const {
    const unsigned char phrase[] = "secret";
    save(key_file, [&](BIO* to) {
      return ::PEM_write_bio_PrivateKey(
          to, key_.get(), ::EVP_aes_128_cbc(), phrase, 6, nullptr, nullptr
      );
    });
  }

 private:
  void extend(int kind, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    ::X509V3_set_ctx(&context, x509_.get(), x509_.get(), nullptr, nullptr, 0);
    X509_EXTENSION* const made = ::X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
    must(made != nullptr && ::X509_add_ext(x509_.get(), made, -1) == 1);
    ::X509_EXTENSION_free(made);
  }
  template <class F>
  static void save(const std::string& path, F write) {
    BIO* const to = ::BIO_new_file(path.c_str(), "w");
    const bool written = to != nullptr && write(to) == 1;
    ::BIO_free(to);
    must(written);
  }

  std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key_;
  std::unique_ptr<X509, void (*)(X509*)> x509_;
};

/// A root, and a folder of files with certificates that it has signed.
class authority {
 public:
  explicit authority(const std::string& name = unused_name()) {
    identity::wish root;
    root.name = name;
    root.hosts = "";
    root.is_root = true;
    root_ = std::make_unique<identity>(root, nullptr);
    root_->write(file("root.pem"), file("root.key"));
    issue("good", {});
  }

  void issue(const std::string& as, const identity::wish& w) {
    const identity made(w, root_.get());
    made.write(file(as + ".pem"), file(as + ".key"));
  }

  [[nodiscard]] std::string file(std::string_view name) const { return folder_.file(name); }
  [[nodiscard]] std::string root() const { return file("root.pem"); }
  [[nodiscard]] tls::context server(const std::string& name = "good") const {
    return tls::context::server(file(name + ".pem"), file(name + ".key"));
  }
  [[nodiscard]] tls::context client() const { return tls::context::client(root()); }

 private:
  static std::string unused_name() {
    static int number = 0;
    return "Root " + std::to_string(++number) + " of the tests";
  }

  io_test::temporary_directory folder_;
  std::unique_ptr<identity> root_;
};

/// Made once: it takes a few milliseconds.
inline authority& test_authority() {
  static authority instance("Root of the tests");
  return instance;
}

using tcp = stackless::io::tcp_stream;

/// Both ends of a TLS connection over the loopback interface.
struct ends {
  tls::stream<tcp> client;
  tls::stream<tcp> server;
  ends() {}
};

/// Without a handshake.
inline task<> make_ends(
    ends& made,
    const tls::context& client,
    const tls::context& server,
    std::string host = "localhost"
) {
  io_test::connection pair;
  co_await io_test::connect_pair(pair);
  pair.client.set_no_delay(true);
  pair.server.set_no_delay(true);
  made.client = tls::stream<tcp>(std::move(pair.client), client, std::move(host));
  made.server = tls::stream<tcp>(std::move(pair.server), server);
}

inline task<> make_ends(ends& made) {
  const tls::context client = test_authority().client();
  const tls::context server = test_authority().server();
  co_await make_ends(made, client, server);
}

/// What an operation has raised.
struct outcome {
  std::error_code code;
  std::string what;
};

template <class F>
task<outcome> outcome_of(F& f) {
  outcome result;
  try {
    co_await f();
  } catch (const std::system_error& error) {
    result.code = error.code();
    result.what = error.what();
  }
  co_return result;
}

/// Both sides' handshakes, and how each ended.
struct handshakes {
  outcome client;
  outcome server;
};

inline task<handshakes> shake_hands(ends& both) {
  auto server_side = [&]() -> task<outcome> {
    auto attempt = [&]() -> task<> { co_await both.server.handshake(); };
    outcome result = co_await outcome_of(attempt);
    // Who has failed hangs up.
    if (result.code) co_await both.server.close();
    co_return result;
  };
  auto server = stackless::spawn("server", server_side);
  auto attempt = [&]() -> task<> { co_await both.client.handshake(); };
  handshakes result;
  result.client = co_await outcome_of(attempt);
  if (result.client.code) co_await both.client.close();
  result.server = co_await server.join();
  co_return result;
}

inline task<> connect_ends(ends& both) {
  co_await make_ends(both);
  const handshakes done = co_await shake_hands(both);
  REQUIRE(done.client.what.empty());
  REQUIRE(done.server.what.empty());
}

inline std::string pattern(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; text.size() < size; ++i) text += std::to_string(i);
  text.resize(size);
  return text;
}

}  // namespace tls_test
