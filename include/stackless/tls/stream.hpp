#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/tls_readable.hpp>
#include <stackless/detail/tls_transport.hpp>
#include <stackless/io/bytes.hpp>
#include <stackless/task.hpp>
#include <stackless/tls/certificate.hpp>
#include <stackless/tls/context.hpp>
#include <stackless/tls/error.hpp>

#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {
class tls_session;
}  // namespace stackless::inline STACKLESS_ABI::detail

namespace stackless::inline STACKLESS_ABI::tls {

/// A `stream` whatever carries it: what functions can take that work on any. Default-constructed
/// and moved-from ones are closed.
///
/// One tasklet may read while another writes; several that do the same take turns. At most one
/// record (16 KiB) that came in and 64 KiB that go out are kept, beside what OpenSSL keeps of one
/// record each way.
///
/// **Cancellation**: every function that is awaited is a cancel point, also when it need not wait.
/// A cancelled one breaks nothing. A read has taken nothing, or what `done` tells; a handshake goes
/// on where it was when it is called again. What a write has taken (`done`) is encrypted and its
/// place in the stream is certain: what of it has not gone out goes with the next write, `flush` or
/// `shutdown_send`.
/// **Errors**: `tls_error`; what the stream beneath raises, such as `io::io_error`. After a
/// `tls_error` the connection is of no use: other functions raise it again. With a trailing
/// `std::error_code&` the code of a `std::system_error` is stored there instead, or it is cleared.
/// Using a closed stream gives `std::errc::bad_file_descriptor`.
/// **Lifetime**: buffers must live until the operation is complete. The destructor closes what is
/// beneath, without `shutdown_send`; with operations of other tasklets in flight, the last of them
/// does.
class stream_base {
 public:
  /// Agrees on keys with the peer, and finds out who it is. Called by the first read or write
  /// otherwise. Does nothing when it has been done.
  ///
  /// **Errors**: see `errc`. The peer is told why, if it still listens.
  task<> handshake();
  task<> handshake(std::error_code& error);

  /// Waits for data and gives what there is, up to the buffer's size, of one record at most. 0 when
  /// the peer has said that it has finished.
  ///
  /// **Errors**: `errc::truncated` when the connection ended and the peer had not said so: somebody
  /// may have cut it.
  task<std::size_t> read_some(io::mutable_bytes into);
  task<std::size_t> read_some(io::mutable_bytes into, std::error_code& error);
  /// Adds to `done` what it moved, also when the tasklet is killed or cancelled at the same time.
  task<std::size_t> read_some(io::mutable_bytes into, std::size_t* done);

  /// Writes up to 64 KiB, and returns when the stream beneath has taken them.
  ///
  /// **Errors**: `std::errc::broken_pipe` after `shutdown_send`.
  task<std::size_t> write_some(io::const_bytes from);
  task<std::size_t> write_some(io::const_bytes from, std::error_code& error);
  task<std::size_t> write_some(io::const_bytes from, std::size_t* done);

  /// Fills the whole buffer. `done`, if given, is set to the number of bytes read, however it ends.
  ///
  /// **Cancellation**: left in the middle without `done`, the next read fails with
  /// `io::errc::broken_stream`; writes are not concerned.
  /// **Errors**: as `read_some`; `io::errc::end_of_file` when the peer finishes before.
  task<> read_exactly(io::mutable_bytes into, std::size_t* done = nullptr);
  /// Writes everything. `done`, **Cancellation**: as `read_exactly`, the other way round.
  task<> write_all(io::const_bytes from, std::size_t* done = nullptr);

  /// Returns when the stream beneath has taken all that was written: after a write that was cut
  /// short.
  task<> flush();

  /// Tells the peer that nothing more will come (close_notify): it reads 0. Reading goes on. Does
  /// nothing before the handshake, and the second time.
  task<> shutdown_send();
  task<> shutdown_send(std::error_code& error);
  /// `shutdown_send`, and waits until the peer has said the same. Data that still comes is dropped.
  ///
  /// **Errors**: `errc::truncated` as `read_some`.
  task<> shutdown();
  task<> shutdown(std::error_code& error);

  /// New keys for both directions (TLS 1.3). What is done with the old ones has limits that OpenSSL
  /// does not watch: 24 million records for AES-GCM. **Errors**: `tls_error` with TLS 1.2, which
  /// breaks nothing.
  task<> update_keys();

  /// `shutdown_send`, for which it takes a second at most and whose failure it ignores, if the
  /// handshake is done and no other tasklet is writing; then closes what is beneath. Operations of
  /// other tasklets are ended by that.
  ///
  /// **Cancellation**: shielded. What is thrown at it is raised when it has been closed.
  /// **Errors**: what closing raises.
  task<> close();
  task<> close(std::error_code& error);

  [[nodiscard]] bool is_open() const noexcept;

  // After the handshake; before it they are empty, or false. Plain functions.

  /// The peer's certificate, if it has shown one.
  [[nodiscard]] std::optional<certificate> peer_certificate() const;
  /// It has shown one that we trust, and for a client it is the host's.
  [[nodiscard]] bool peer_verified() const noexcept;
  /// The application's protocol that was agreed on (ALPN).
  [[nodiscard]] std::string protocol() const;
  /// "TLSv1.3"
  [[nodiscard]] std::string version() const;
  /// "TLS_AES_256_GCM_SHA384"
  [[nodiscard]] std::string cipher() const;
  /// For a server: the host that the client asked for (SNI). For a client: that it was made for.
  [[nodiscard]] std::string host() const;

 protected:
  stream_base() noexcept;
  /// `host`: nothing for a server's.
  stream_base(
      std::unique_ptr<detail::tls_transport> carrier,
      const context& how,
      std::optional<std::string> host
  );
  stream_base(stream_base&&) noexcept;
  stream_base& operator=(stream_base&&) noexcept;
  ~stream_base();

  [[nodiscard]] detail::tls_transport* carrier() const noexcept;
  /// \throws io::io_error of a closed one
  [[nodiscard]] std::shared_ptr<detail::tls_session> session(const char* operation) const;
  task<std::optional<std::size_t>> read_what_is_there(io::mutable_bytes into);

 private:
  std::shared_ptr<detail::tls_session> session_;
};

/// What a TLS stream can be made over: all streams of `io`, and others that keep count when they
/// are cut short.
template <class S>
concept transport =
    std::movable<S> &&
    requires(S stream, io::mutable_bytes into, io::const_bytes from, std::size_t* done) {
      stream.read_some(into, done);
      stream.write_some(from, done);
      stream.close();
    };

/// What `readable` returns, to be awaited, alone or as a case of `select`. As
/// `io::readiness_operation`.
template <std::derived_from<detail::awaited_once> Beneath>
class [[STACKLESS_OPERATION]] readable_operation : public detail::awaited_once {
 public:
  template <class Stream>
  readable_operation(Stream& stream, std::shared_ptr<detail::tls_session> session)
      : session_(std::move(session)), beneath_(stream.readable()) {
    beneath_.is_awaited();  // if this one is
  }
  readable_operation(const readable_operation&) = delete;
  readable_operation& operator=(const readable_operation&) = delete;

  [[nodiscard]] detail::tls_readable_awaiter<Beneath> make_awaiter() const {
    return detail::tls_readable_awaiter<Beneath>(beneath_, session_);
  }

 private:
  std::shared_ptr<detail::tls_session> session_;
  Beneath beneath_;
};

/// TLS over a stream, which becomes its property. `read_some`, `write_some` and the rest are those
/// of `stream_base`; `io::buffered_reader` and `io::buffered_writer` work on it.
///
/// ```cpp
/// const tls::context context = tls::context::client();
/// tls::stream client(co_await io::connect_tcp(address), context, "example.org");
/// co_await client.write_all("GET / HTTP/1.0\r\n\r\n");
/// ```
template <transport Stream>
class stream final : public stream_base {
 public:
  stream() noexcept = default;

  /// A client's, which wants to talk to `host`: a name, or an IP address.
  ///
  /// **Errors**: `std::logic_error` for a context of servers, for a host with a zero in it, and for
  /// no host if the context demands verification (a certificate for anybody proves nothing);
  /// `std::bad_alloc`.
  stream(Stream carrier, const context& how, std::string host)
      : stream_base(make(std::move(carrier)), how, std::move(host)) {}

  /// A server's. **Errors**: `std::logic_error` for a context of clients; `std::bad_alloc`.
  stream(Stream carrier, const context& how)
      : stream_base(make(std::move(carrier)), how, std::nullopt) {}

  /// Waits until there is data, the end or an error to be read, or something has come beneath: a
  /// part of a record, or the peer's own messages, for which `read_some` would wait on, and
  /// `read_available` does not. A case for `select`, for the tasklet that reads; of streams over
  /// one that has it. Before the handshake it is ready at once: a read does that.
  ///
  /// **Cancellation**, **Wakes**: as `io::readiness_operation`.
  /// **Errors**: `std::errc::bad_file_descriptor` of a closed stream, `io::io_error` as beneath.
  [[nodiscard]] auto readable()
    requires detail::tells_readable<Stream>
  {
    auto keep = session("tls read");
    return readable_operation<decltype(beneath().readable())>(beneath(), std::move(keep));
  }

  /// As `read_some` if that need not wait for the peer, else nothing. The first one waits for the
  /// handshake all the same.
  ///
  /// **Cancellation**: a cancel point; it has taken nothing then.
  task<std::optional<std::size_t>> read_available(io::mutable_bytes into)
    requires detail::tells_readable<Stream>
  {
    return read_what_is_there(into);
  }

  /// What is beneath. Reading it or writing to it by yourself is the end of the connection.
  /// **Lifetime**: of the stream; not to be asked for from a closed one.
  [[nodiscard]] Stream& beneath() const noexcept {
    return static_cast<detail::tls_transport_over<Stream>*>(carrier())->stream;
  }

 private:
  static std::unique_ptr<detail::tls_transport> make(Stream&& carrier) {
    return std::make_unique<detail::tls_transport_over<Stream>>(std::move(carrier));
  }
};

}  // namespace stackless::inline STACKLESS_ABI::tls
