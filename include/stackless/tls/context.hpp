#pragma once

#include <stackless/detail/config.hpp>
#include <stackless/tls/error.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace stackless::inline STACKLESS_ABI::detail {
struct tls_settings;
}  // namespace stackless::inline STACKLESS_ABI::detail

namespace stackless::inline STACKLESS_ABI::tls {

enum class version : std::uint8_t { tls_1_2, tls_1_3 };

/// Whether the peer must prove who it is.
enum class verification : std::uint8_t {
  none,      ///< a client would talk to anybody; a server asks for no certificate
  optional,  ///< for servers: a client without a certificate is let in, a wrong one is not
  required
};

/// What the connections of a client, or of a server, have in common: whom they trust, who they are,
/// and what they speak. A handle: copies are the same one. What is changed counts for streams that
/// are made afterwards.
///
/// All are plain functions, and read their files at once.
///
/// **Errors**: `tls_error`, which names the file.
/// **Threads**: to be made on one; streams of several threads may share it once it is complete.
class context {
 public:
  /// For clients. Trusts whom the system trusts; the peer must have a certificate for the host that
  /// a stream is made for.
  [[nodiscard]] static context client();
  /// Trusts the certificates of this PEM file and nobody else.
  [[nodiscard]] static context client(const std::string& trusted_file);

  /// For servers. PEM files: its certificate with those that lead to a root, and the private key. A
  /// key that needs a passphrase is an error, and never a question on the terminal.
  [[nodiscard]] static context server(
      const std::string& certificate_file, const std::string& key_file
  );

  /// Also trusts the certificates of this PEM file: of servers, or of clients.
  void trust(const std::string& file);
  /// Who we are: for clients whose server wants to know.
  void use_certificate(const std::string& certificate_file, const std::string& key_file);
  /// `required` in a client's, `none` in a server's. **Errors**: `std::logic_error` for `optional`
  /// in a client's.
  void set_verification(verification who);
  /// 1.2 at first. What is older is never spoken.
  void set_minimum_version(version lowest);
  /// The application's protocols, such as "h2" and "http/1.1", the best first (ALPN). A server
  /// takes the first of its own that the client has too; with none in common the handshake fails,
  /// and a client that names none is let in. **Errors**: `std::logic_error` for a name that is
  /// empty or longer than 255 bytes, and for more than 65535 bytes in all.
  void set_protocols(const std::vector<std::string>& names);

  [[nodiscard]] bool is_server() const noexcept;

  /// For the library.
  [[nodiscard]] const std::shared_ptr<detail::tls_settings>& settings() const noexcept {
    return settings_;
  }

 private:
  explicit context(std::shared_ptr<detail::tls_settings> settings) noexcept;

  std::shared_ptr<detail::tls_settings> settings_;
};

}  // namespace stackless::inline STACKLESS_ABI::tls
