#include "session.hpp"

#include <stackless/cancel.hpp>
#include <stackless/io/error.hpp>

#include <chrono>
#include <exception>
#include <system_error>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

/// Replies to what a peer sends, such as new keys, wait for the next write: a peer that writes
/// before it reads would not take them. One that has made more of them than this is not read from
/// until they have gone out.
constexpr std::size_t reply_limit = 16'384;

constexpr std::chrono::seconds goodbye_limit(1);

// What has moved counts, also when the tasklet is killed or cancelled at the same time.
struct arriving {
  tls_engine& engine;
  std::size_t count = 0;
  explicit arriving(tls_engine& e) noexcept : engine(e) {}
  arriving(const arriving&) = delete;
  arriving& operator=(const arriving&) = delete;
  ~arriving() {
    if (count != 0) engine.received(count);
  }
};
struct leaving {
  tls_engine& engine;
  std::size_t count = 0;
  explicit leaving(tls_engine& e) noexcept : engine(e) {}
  leaving(const leaving&) = delete;
  leaving& operator=(const leaving&) = delete;
  ~leaving() { engine.sent(count); }
};

}  // namespace

tls_session::tls_session(
    std::unique_ptr<tls_transport> carrier,
    std::shared_ptr<const tls_settings> settings,
    std::string host
)
    : carrier_(std::move(carrier)),
      engine_(std::move(settings), std::move(host)),
      handshake_turn_("tls handshake"),
      reading_turn_("tls reading"),
      writing_turn_("tls writing") {}

// Records
// -----------------------------------------------------------------------------------------

/// One read of the transport, unless more has come since the engine had `seen` so many.
task<> tls_session::receive(std::uint64_t seen) {
  const mutex_guard turn = co_await reading_turn_.lock();
  if (engine_.inputs() != seen) co_return;
  const io::mutable_bytes room = engine_.room();
  bool ended = false;
  {
    arriving input(engine_);
    co_await carrier_->read(room, &input.count);
    ended = input.count == 0;
  }
  if (ended) engine_.end_input();
}

/// Until nothing is left. To be called with `writing_turn_`.
task<> tls_session::send() {
  for (;;) {
    const io::const_bytes next = engine_.output();
    if (next.size() == 0) break;
    bool moved = false;
    {
      leaving output(engine_);
      co_await carrier_->write(next, &output.count);
      moved = output.count != 0;
    }
    // No stream does this; if one does, it must not be asked for ever.
    if (!moved)
      throw io::io_error(
          std::make_error_code(std::errc::io_error), "tls write", -1, engine_.host(), "of no byte"
      );
  }
}

task<> tls_session::flush() {
  const mutex_guard turn = co_await writing_turn_.lock();
  co_await send();
}

/// The engine has failed, and may have something to say about it. Who is writing will send it.
task<> tls_session::send_alert() {
  if (writing_turn_.is_locked()) co_return;
  try {
    co_await flush();
  } catch (const std::system_error&) {
    // The peer has gone: it need not be told.
  }
}

template <class Step>
task<> tls_session::complete(Step step) {
  for (;;) {
    const std::uint64_t seen = engine_.inputs();
    const tls_step reached = step();
    if (reached == tls_step::done) break;
    co_await receive(seen);
  }
}

// Operations
// --------------------------------------------------------------------------------------

task<> tls_session::handshake() {
  co_await checkpoint();
  if (established_) co_return;
  const mutex_guard turn = co_await handshake_turn_.lock();
  while (!established_) {
    const std::uint64_t seen = engine_.inputs();
    tls_step reached = tls_step::wants_input;
    std::exception_ptr failure;
    try {
      reached = engine_.handshake();
    } catch (...) {
      failure = std::current_exception();
    }
    if (failure != nullptr) {
      co_await send_alert();
      std::rethrow_exception(failure);
    }
    if (reached != tls_step::done || !engine_.output_may_wait()) co_await flush();
    if (reached == tls_step::done) {
      established_ = true;
    } else {
      co_await receive(seen);
    }
  }
}

task<> tls_session::read(io::mutable_bytes into, std::size_t* done) {
  co_await handshake();
  if (into.size() == 0) co_return;
  for (;;) {
    const std::uint64_t seen = engine_.inputs();
    tls_step reached = tls_step::wants_input;
    std::size_t moved = 0;
    std::exception_ptr failure;
    try {
      reached = engine_.read(into, moved);
    } catch (...) {
      failure = std::current_exception();
    }
    if (failure != nullptr) {
      co_await send_alert();
      std::rethrow_exception(failure);
    }
    *done += moved;
    if (reached != tls_step::wants_input) co_return;
    if (engine_.replies_size() > reply_limit) co_await flush();
    co_await receive(seen);
  }
}

task<bool> tls_session::read_available(io::mutable_bytes into, std::size_t* done) {
  co_await handshake();
  for (;;) {
    if (engine_.can_read()) {
      co_await read(into, done);
      co_return true;
    }
    if (engine_.replies_size() > reply_limit) co_await flush();
    const bool more = co_await carrier_->can_read();
    if (!more) co_return false;
    co_await receive(engine_.inputs());
  }
}

bool can_read(tls_session& session) {
  return session.can_read();
}

task<> tls_session::write(io::const_bytes from, std::size_t* done) {
  co_await handshake();
  if (from.size() == 0) co_return;
  const mutex_guard turn = co_await writing_turn_.lock();
  co_await send();  // what one that was cut short has left
  std::size_t moved = 0;
  const auto step = [&] { return engine_.write(from, moved); };
  co_await complete(step);
  *done += moved;
  co_await send();
}

task<> tls_session::send_close() {
  co_await checkpoint();
  if (!established_) co_return;
  const mutex_guard turn = co_await writing_turn_.lock();
  co_await send();
  const auto step = [this] { return engine_.send_close(); };
  co_await complete(step);
  co_await send();
}

task<> tls_session::update_keys() {
  co_await handshake();
  const mutex_guard turn = co_await writing_turn_.lock();
  co_await send();
  const auto step = [this] { return engine_.update_keys(); };
  co_await complete(step);
  co_await send();
}

// Closing
// ------------------------------------------------------------------------------------------

task<> tls_session::say_goodbye() {
  const auto goodbye = [this]() -> task<> { co_await send_close(); };
  try {
    (void)co_await move_on_after(goodbye_limit, goodbye);
  } catch (const std::system_error&) {
    // Who has gone, or has failed, need not be told.
  }
}

task<> tls_session::close() {
  if (std::exchange(closed_, true)) co_return;
  std::exception_ptr thrown;
  if (established_ && !engine_.failed() && !writing_turn_.is_locked()) {
    const auto goodbye = [this]() -> task<> { co_await say_goodbye(); };
    try {
      co_await shield(goodbye);
    } catch (...) {
      thrown = std::current_exception();  // a kill
    }
  }
  co_await carrier_->close();
  if (thrown != nullptr) std::rethrow_exception(thrown);
}

}  // namespace stackless::inline STACKLESS_ABI::detail
