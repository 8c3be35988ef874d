#include <stackless/cancel.hpp>
#include <stackless/detail/io_resource.hpp>
#include <stackless/io/error.hpp>
#include <stackless/tls/stream.hpp>

#include "session.hpp"

#include <array>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace stackless::inline STACKLESS_ABI::tls {

using detail::tls_session;

namespace {

/// A transfer of several steps. Left in the middle while the caller has no count, nobody knows the
/// position any more.
class whole_transfer {
 public:
  whole_transfer(
      std::shared_ptr<tls_session> session,
      detail::io_direction direction,
      std::size_t size,
      std::size_t* done
  )
      : session_(std::move(session)), done_(done), size_(size), direction_(direction) {}
  whole_transfer(const whole_transfer&) = delete;
  whole_transfer& operator=(const whole_transfer&) = delete;
  ~whole_transfer() {
    if (done_ != nullptr) {
      *done_ = moved;
    } else if (moved != 0 && moved < size_ && !ended) {
      session_->broken |= static_cast<std::uint8_t>(direction_);
    }
  }

  std::size_t moved = 0;
  bool ended = false;  ///< by the peer: the position is known

 private:
  std::shared_ptr<tls_session> session_;
  std::size_t* done_;
  std::size_t size_;
  detail::io_direction direction_;
};

void check_whole(
    const tls_session& session, detail::io_direction direction, const char* operation
) {
  if ((session.broken & direction) != 0)
    throw io::io_error(io::errc::broken_stream, operation, -1, session.engine().host());
}

}  // namespace

stream_base::stream_base() noexcept = default;
stream_base::stream_base(stream_base&&) noexcept = default;
stream_base& stream_base::operator=(stream_base&&) noexcept = default;
stream_base::~stream_base() = default;

stream_base::stream_base(
    std::unique_ptr<detail::tls_transport> carrier,
    const context& how,
    std::optional<std::string> host
) {
  const auto& settings = how.settings();
  if (settings->is_server && host)
    throw std::logic_error("a client's tls::stream needs a context of clients");
  if (!settings->is_server && !host)
    throw std::logic_error("a server's tls::stream needs a context of servers");
  if (host && host->find('\0') != std::string::npos)
    throw std::logic_error("a host's name has no zero in it");
  if (host && host->empty() && settings->who != verification::none)
    throw std::logic_error(
        "a tls::stream needs the host that the certificate is to be for: a certificate for anybody "
        "proves nothing"
    );
  session_ = std::make_shared<tls_session>(
      std::move(carrier), settings, std::move(host).value_or(std::string())
  );
}

std::shared_ptr<tls_session> stream_base::session(const char* operation) const {
  if (session_ == nullptr || session_->is_closed())
    throw io::io_error(std::make_error_code(std::errc::bad_file_descriptor), operation, -1, {});
  return session_;
}

detail::tls_transport* stream_base::carrier() const noexcept {
  return session_ == nullptr ? nullptr : &session_->carrier();
}

bool stream_base::is_open() const noexcept {
  return session_ != nullptr && !session_->is_closed();
}

// Operations
// --------------------------------------------------------------------------------------

task<> stream_base::handshake() {
  const auto keep = session("tls handshake");
  co_await keep->handshake();
}

task<std::size_t> stream_base::read_some(io::mutable_bytes into, std::size_t* done) {
  const auto keep = session("tls read");
  check_whole(*keep, detail::reading, "tls read");
  const std::size_t before = *done;
  co_await keep->read(into, done);
  co_return *done - before;
}

task<std::size_t> stream_base::read_some(io::mutable_bytes into) {
  const auto keep = session("tls read");
  check_whole(*keep, detail::reading, "tls read");
  std::size_t moved = 0;
  co_await keep->read(into, &moved);
  co_return moved;
}

task<std::optional<std::size_t>> stream_base::read_what_is_there(io::mutable_bytes into) {
  const auto keep = session("tls read");
  check_whole(*keep, detail::reading, "tls read");
  std::size_t moved = 0;
  const bool taken = co_await keep->read_available(into, &moved);
  if (!taken) co_return std::nullopt;
  co_return moved;
}

task<std::size_t> stream_base::write_some(io::const_bytes from, std::size_t* done) {
  const auto keep = session("tls write");
  check_whole(*keep, detail::writing, "tls write");
  const std::size_t before = *done;
  co_await keep->write(from, done);
  co_return *done - before;
}

task<std::size_t> stream_base::write_some(io::const_bytes from) {
  const auto keep = session("tls write");
  check_whole(*keep, detail::writing, "tls write");
  std::size_t moved = 0;
  co_await keep->write(from, &moved);
  co_return moved;
}

task<> stream_base::read_exactly(io::mutable_bytes into, std::size_t* done) {
  if (done != nullptr) *done = 0;
  const auto keep = session("tls read");
  check_whole(*keep, detail::reading, "tls read");
  whole_transfer whole(keep, detail::reading, into.size(), done);
  if (into.size() == 0) co_await checkpoint();
  while (whole.moved != into.size()) {
    const std::size_t before = whole.moved;
    co_await keep->read(into.from(before), &whole.moved);
    if (whole.moved == before) {
      whole.ended = true;
      throw io::io_error(
          io::errc::end_of_file, "tls read", -1, keep->engine().host(),
          "after " + std::to_string(before) + " of " + std::to_string(into.size()) + " bytes"
      );
    }
  }
}

task<> stream_base::write_all(io::const_bytes from, std::size_t* done) {
  if (done != nullptr) *done = 0;
  const auto keep = session("tls write");
  check_whole(*keep, detail::writing, "tls write");
  whole_transfer whole(keep, detail::writing, from.size(), done);
  if (from.size() == 0) co_await checkpoint();
  while (whole.moved != from.size()) co_await keep->write(from.from(whole.moved), &whole.moved);
}

task<> stream_base::flush() {
  const auto keep = session("tls write");
  co_await keep->flush();
}

task<> stream_base::shutdown_send() {
  const auto keep = session("tls shutdown");
  co_await keep->send_close();
}

task<> stream_base::shutdown() {
  const auto keep = session("tls shutdown");
  co_await keep->send_close();
  if (!keep->engine().connected()) co_return;
  std::array<std::byte, 4096> dropped;
  std::size_t count = 0;
  do {
    count = 0;
    co_await keep->read(dropped, &count);
  } while (count != 0);
}

task<> stream_base::update_keys() {
  const auto keep = session("tls update keys");
  co_await keep->update_keys();
}

task<> stream_base::close() {
  const auto keep = session_;
  if (keep == nullptr) co_return;
  co_await keep->close();
}

// With an error_code. Failures are rare: what an exception costs does not matter.
// -------------------------------------------------------------------------------

task<> stream_base::handshake(std::error_code& error) {
  error.clear();
  try {
    co_await handshake();
  } catch (const std::system_error& failure) {
    error = failure.code();
  }
}

task<std::size_t> stream_base::read_some(io::mutable_bytes into, std::error_code& error) {
  error.clear();
  std::size_t moved = 0;
  try {
    (void)co_await read_some(into, &moved);
  } catch (const std::system_error& failure) {
    error = failure.code();
  }
  co_return moved;
}

task<std::size_t> stream_base::write_some(io::const_bytes from, std::error_code& error) {
  error.clear();
  std::size_t moved = 0;
  try {
    (void)co_await write_some(from, &moved);
  } catch (const std::system_error& failure) {
    error = failure.code();
  }
  co_return moved;
}

task<> stream_base::shutdown_send(std::error_code& error) {
  error.clear();
  try {
    co_await shutdown_send();
  } catch (const std::system_error& failure) {
    error = failure.code();
  }
}

task<> stream_base::shutdown(std::error_code& error) {
  error.clear();
  try {
    co_await shutdown();
  } catch (const std::system_error& failure) {
    error = failure.code();
  }
}

task<> stream_base::close(std::error_code& error) {
  error.clear();
  try {
    co_await close();
  } catch (const std::system_error& failure) {
    error = failure.code();
  }
}

// What is known
// -----------------------------------------------------------------------------------

std::optional<certificate> stream_base::peer_certificate() const {
  if (session_ == nullptr || !session_->engine().connected()) return std::nullopt;
  return detail::peer_certificate_of(session_->engine().ssl());
}

bool stream_base::peer_verified() const noexcept {
  if (session_ == nullptr || !session_->engine().connected()) return false;
  SSL* const ssl = session_->engine().ssl();
  return ::SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE &&
         ::SSL_get0_peer_certificate(ssl) != nullptr && ::SSL_get_verify_result(ssl) == X509_V_OK;
}

std::string stream_base::protocol() const {
  if (session_ == nullptr || !session_->engine().connected()) return {};
  const unsigned char* name = nullptr;
  unsigned int length = 0;
  ::SSL_get0_alpn_selected(session_->engine().ssl(), &name, &length);
  return {reinterpret_cast<const char*>(name), length};
}

std::string stream_base::version() const {
  if (session_ == nullptr || !session_->engine().connected()) return {};
  return ::SSL_get_version(session_->engine().ssl());
}

std::string stream_base::cipher() const {
  if (session_ == nullptr || !session_->engine().connected()) return {};
  const char* const name = ::SSL_get_cipher_name(session_->engine().ssl());
  return name == nullptr ? std::string() : std::string(name);
}

std::string stream_base::host() const {
  if (session_ == nullptr) return {};
  if (!session_->engine().host().empty()) return session_->engine().host();
  const char* const asked =
      ::SSL_get_servername(session_->engine().ssl(), TLSEXT_NAMETYPE_host_name);
  return asked == nullptr ? std::string() : std::string(asked);
}

}  // namespace stackless::inline STACKLESS_ABI::tls
