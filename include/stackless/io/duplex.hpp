#pragma once

#include <stackless/io/bytes.hpp>
#include <stackless/task.hpp>

#include <cstddef>
#include <exception>
#include <system_error>
#include <utility>

namespace stackless::inline STACKLESS_ABI::io {

/// Two streams of one direction each as one of both: a pair of pipes, the standard streams of a
/// child or one's own.
///
/// **Cancellation**, **Errors**, **Lifetime**: as those of the two.
template <class Input, class Output>
class duplex {
 public:
  duplex() = default;
  duplex(Input input, Output output) : input_(std::move(input)), output_(std::move(output)) {}

  [[nodiscard]] Input& input() noexcept { return input_; }
  [[nodiscard]] Output& output() noexcept { return output_; }

  auto read_some(mutable_bytes into) { return input_.read_some(into); }
  auto read_some(mutable_bytes into, std::error_code& error) {
    return input_.read_some(into, error);
  }
  auto read_some(mutable_bytes into, std::size_t* done) { return input_.read_some(into, done); }
  auto write_some(const_bytes from) { return output_.write_some(from); }
  auto write_some(const_bytes from, std::error_code& error) {
    return output_.write_some(from, error);
  }
  auto write_some(const_bytes from, std::size_t* done) { return output_.write_some(from, done); }

  auto read_exactly(mutable_bytes into, std::size_t* done = nullptr) {
    return input_.read_exactly(into, done);
  }
  auto readable()
    requires requires(Input& input) { input.readable(); }
  {
    return input_.readable();
  }

  auto write_all(const_bytes from, std::size_t* done = nullptr) {
    return output_.write_all(from, done);
  }

  /// The peer reads 0: closes the output.
  task<> shutdown_send() { return output_.close(); }

  /// Closes both, the second also when the first fails, and raises the first failure.
  ///
  /// **Cancellation**: shielded, as theirs.
  task<> close() {
    std::exception_ptr failure;
    try {
      co_await output_.close();
    } catch (...) {
      failure = std::current_exception();
    }
    try {
      co_await input_.close();
    } catch (...) {
      if (failure == nullptr) failure = std::current_exception();
    }
    if (failure != nullptr) std::rethrow_exception(failure);
  }

  [[nodiscard]] bool is_open() const noexcept { return input_.is_open() || output_.is_open(); }

 private:
  Input input_;
  Output output_;
};

}  // namespace stackless::inline STACKLESS_ABI::io
