#include "engine.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <stdexcept>
#include <utility>

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

// A record of the largest size, encrypted: most are read from the connection in one piece.
constexpr std::size_t input_capacity = 16'384 + 512;

std::error_code code_of(int reason) noexcept {
  return {static_cast<int>(ERR_PACK(ERR_LIB_SSL, 0, reason)), tls::openssl_category()};
}

bool is_address(const std::string& host) noexcept {
  in6_addr unused{};
  return ::inet_pton(AF_INET, host.c_str(), &unused) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &unused) == 1;
}

}  // namespace

// Between OpenSSL and our memory: bounded, and without a copy of what goes out.
// -------------------------------------------------------------------------------

struct tls_engine::bio {
  static int read(BIO* of, char* into, std::size_t size, std::size_t* moved) noexcept {
    tls_engine& engine = *static_cast<tls_engine*>(::BIO_get_data(of));
    BIO_clear_retry_flags(of);
    const std::size_t count = std::min(size, engine.input_end_ - engine.input_begin_);
    if (count == 0) {
      BIO_set_retry_read(of);
      return 0;
    }
    std::memcpy(into, engine.input_.get() + engine.input_begin_, count);
    engine.input_begin_ += count;
    *moved = count;
    return 1;
  }

  static int write(BIO* of, const char* from, std::size_t size, std::size_t* moved) noexcept {
    tls_engine& engine = *static_cast<tls_engine*>(::BIO_get_data(of));
    BIO_clear_retry_flags(of);
    const auto* const bytes = reinterpret_cast<const std::byte*>(from);
    try {
      engine.filling_.insert(engine.filling_.end(), bytes, bytes + size);
    } catch (const std::bad_alloc&) {  // no exception may pass through OpenSSL
      engine.out_of_memory_ = true;
      return 0;
    }
    *moved = size;
    return 1;
  }

  static long control(BIO*, int command, long, void*) noexcept {
    return command == BIO_CTRL_FLUSH ? 1 : 0;
  }

  static const BIO_METHOD* method() {
    static const std::unique_ptr<BIO_METHOD, openssl_delete<&BIO_meth_free>> made(
        ::BIO_meth_new(::BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stackless records")
    );
    static const bool complete = made != nullptr &&
                                 ::BIO_meth_set_read_ex(made.get(), &read) == 1 &&
                                 ::BIO_meth_set_write_ex(made.get(), &write) == 1 &&
                                 ::BIO_meth_set_ctrl(made.get(), &control) == 1;
    if (!complete) throw std::bad_alloc();
    return made.get();
  }
};

tls_engine::tls_engine(std::shared_ptr<const tls_settings> settings, std::string host)
    : settings_(std::move(settings)), host_(std::move(host)) {
  ::ERR_clear_error();
  ssl_.reset(::SSL_new(settings_->context.get()));
  if (ssl_ == nullptr) throw_queued_error("make stream", host_);
  owned_bio both(::BIO_new(bio::method()));
  if (both == nullptr) throw_queued_error("make stream", host_);
  ::BIO_set_data(both.get(), this);
  ::BIO_set_init(both.get(), 1);
  BIO* const shared = both.release();
  ::SSL_set_bio(ssl_.get(), shared, shared);
  if (settings_->is_server) {
    ::SSL_set_accept_state(ssl_.get());
    return;
  }
  ::SSL_set_connect_state(ssl_.get());
  if (host_.empty()) return;
  bool accepted = false;
  if (is_address(host_)) {
    accepted = ::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(ssl_.get()), host_.c_str()) == 1;
  } else {
    ::SSL_set_hostflags(ssl_.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    accepted = ::SSL_set1_host(ssl_.get(), host_.c_str()) == 1 &&
               SSL_set_tlsext_host_name(ssl_.get(), host_.c_str()) == 1;
  }
  if (!accepted) throw_queued_error("make stream", host_);
}

// Steps
// -------------------------------------------------------------------------------------------

void tls_engine::check(const char* operation) const {
  if (failure_) throw tls::tls_error(failure_, operation, host_, failure_detail_);
  // OpenSSL reads the queue to find out how a step ended: it must not see what others left there.
  ::ERR_clear_error();
}

void tls_engine::fail(std::error_code code, const char* operation, const std::string& detail) {
  failure_ = code;
  failure_detail_ = detail;
  throw tls::tls_error(failure_, operation, host_, failure_detail_);
}

tls_step tls_engine::settle(int result, const char* operation, bool may_end) {
  if (result == 1) return tls_step::done;
  switch (::SSL_get_error(ssl_.get(), result)) {
  case SSL_ERROR_WANT_READ:
    if (!input_ended_) return tls_step::wants_input;
    fail(code_of(SSL_R_UNEXPECTED_EOF_WHILE_READING), operation, {});
  case SSL_ERROR_ZERO_RETURN:
    if (may_end) return tls_step::ended;
    fail(code_of(SSL_R_UNEXPECTED_EOF_WHILE_READING), operation, "close_notify too early");
  default:
    break;
  }
  if (out_of_memory_) {
    failure_ = std::make_error_code(std::errc::not_enough_memory);
    throw std::bad_alloc();
  }
  queued_error error = take_queued_error();
  if (error.about_certificate) {
    // The queue says little: "certificate verify failed", or how the arithmetic of it ended.
    if (const long reason = ::SSL_get_verify_result(ssl_.get()); reason != X509_V_OK) {
      error.code = {static_cast<int>(reason), tls::verification_category()};
      error.detail.clear();
    }
  }
  fail(error.code, operation, error.detail);
}

tls_step tls_engine::handshake() {
  check("handshake");
  if (connected_) return tls_step::done;
  const tls_step step = settle(::SSL_do_handshake(ssl_.get()), "handshake");
  connected_ = step == tls_step::done;
  return step;
}

tls_step tls_engine::read(io::mutable_bytes into, std::size_t& moved) {
  check("read");
  const std::size_t before = filling_.size();
  const int result = ::SSL_read_ex(ssl_.get(), into.data(), into.size(), &moved);
  replies_ += filling_.size() - before;
  return settle(result, "read", true);
}

bool tls_engine::can_read() noexcept {
  try {
    check("read");
    // Not SSL_pending: a record may be there that OpenSSL has not looked at, and one that it has
    // may be no data.
    const std::size_t before = filling_.size();
    char first = 0;
    std::size_t moved = 0;
    const int result = ::SSL_peek_ex(ssl_.get(), &first, 1, &moved);
    replies_ += filling_.size() - before;
    return settle(result, "read", true) != tls_step::wants_input;
  } catch (...) {
    return true;
  }
}

tls_step tls_engine::write(io::const_bytes from, std::size_t& moved) {
  check("write");
  if (close_sent())
    throw tls::tls_error(std::make_error_code(std::errc::broken_pipe), "write", host_);
  const std::size_t size = std::min(from.size(), longest_write);
  // In whole: a partial write is for those whose BIO may be full.
  while (moved != size) {
    std::size_t part = 0;
    const tls_step step =
        settle(::SSL_write_ex(ssl_.get(), from.data() + moved, size - moved, &part), "write");
    if (step != tls_step::done) return moved != 0 ? tls_step::done : step;
    moved += part;
  }
  return tls_step::done;
}

tls_step tls_engine::send_close() {
  check("shutdown");
  if (close_sent()) return tls_step::done;
  // In the middle of a message of the peer (such as a session ticket) it would fail.
  if (::SSL_in_init(ssl_.get()) != 0) {
    const tls_step step = settle(::SSL_do_handshake(ssl_.get()), "shutdown");
    if (step != tls_step::done) return step;
  }
  const int result = ::SSL_shutdown(ssl_.get());
  return result >= 0 ? tls_step::done : settle(result, "shutdown");
}

tls_step tls_engine::update_keys() {
  check("update keys");
  if (close_sent())
    throw tls::tls_error(std::make_error_code(std::errc::broken_pipe), "update keys", host_);
  if (::SSL_get_key_update_type(ssl_.get()) == SSL_KEY_UPDATE_NONE) {
    if (::SSL_in_init(ssl_.get()) != 0) {
      const tls_step step = settle(::SSL_do_handshake(ssl_.get()), "update keys");
      if (step != tls_step::done) return step;
    }
    if (::SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_REQUESTED) != 1)
      throw_queued_error("update keys", host_);
  }
  return settle(::SSL_do_handshake(ssl_.get()), "update keys");
}

bool tls_engine::close_sent() const noexcept {
  return (::SSL_get_shutdown(ssl_.get()) & SSL_SENT_SHUTDOWN) != 0;
}

bool tls_engine::output_may_wait() const noexcept {
  // A server of TLS 1.3 ends its handshake with tickets for later sessions. A client that writes
  // much before it reads would have us wait for it, and it for us.
  return settings_->is_server && ::SSL_version(ssl_.get()) >= TLS1_3_VERSION;
}

// Records
// -----------------------------------------------------------------------------------------

io::mutable_bytes tls_engine::room() {
  // Not value-initialized: what is never read into is never touched.
  if (input_ == nullptr) input_.reset(new std::byte[input_capacity]);
  if (input_begin_ == input_end_) input_begin_ = input_end_ = 0;
  return {input_.get() + input_end_, input_capacity - input_end_};
}

void tls_engine::received(std::size_t count) noexcept {
  input_end_ += count;
  ++inputs_;
}

io::const_bytes tls_engine::output() {
  if (sent_ == sending_.size()) {
    // Idle connections keep nothing.
    if (filling_.empty() && sending_.capacity() != 0) std::vector<std::byte>().swap(sending_);
    sending_.clear();
    sent_ = 0;
    replies_ = 0;
    std::swap(sending_, filling_);
  }
  return {sending_.data() + sent_, sending_.size() - sent_};
}

void tls_engine::sent(std::size_t count) noexcept {
  sent_ += count;
}

}  // namespace stackless::inline STACKLESS_ABI::detail
